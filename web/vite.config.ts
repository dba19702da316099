import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** `vite build web` from the repository root; `vite web` proxies the API of a busbar on its default port. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    sourcemap: false,
    target: 'es2023',
    // The server's content security policy allows no data: fonts or scripts, so nothing is inlined.
    assetsInlineLimit: 0,
  },
  server: { proxy: { '/api': 'http://127.0.0.1:7400' } },
});
