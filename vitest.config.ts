import { defineConfig } from 'vitest/config';

const WHOLE_SITES = 'test/e2e/**/*.test.ts';
const common = { pool: 'threads', testTimeout: 20_000, hookTimeout: 60_000 } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'rooms',
          include: [
            'src/**/*.test.ts',
            'sim/**/*.test.ts',
            'web/**/*.test.{ts,tsx}',
            'test/**/*.test.ts',
            'scripts/**/*.test.ts',
          ],
          exclude: [WHOLE_SITES, '**/node_modules/**'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // These wait for an emulated site most of the time.
        test: { ...common, name: 'sites', include: [WHOLE_SITES], maxWorkers: 3, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
