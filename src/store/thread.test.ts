import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openThread } from './thread.ts';

const act = (id: string) => ({ name: 'recordAct', args: [{ id, at: 1, who: 'x', what: 'y', why: 'z' }] });

test('a thread that died is started again at the next message; whoever waited for it is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'busbar-thread-'));
  const thread = await openThread(join(folder, 'busbar.sqlite'));
  expect(await thread.send([act('one')], 'write')).toEqual({ answers: [{ value: undefined }] });
  await thread.close();
  expect(await thread.send([act('one'), act('two')], 'write')).toEqual({
    answers: [{ value: undefined }, { value: undefined }],
  });
  // It ends while something is under way.
  const waiting = expect(thread.send([act('three')], 'write')).rejects.toThrow(/has ended/);
  await thread.kill();
  await waiting;
  const outcome = await thread.send([{ name: 'acts', args: [10] }], 'read');
  const [answer] = 'answers' in outcome ? outcome.answers : [];
  const ids = answer !== undefined && 'value' in answer ? (answer.value as { id: string }[]).map(({ id }) => id) : [];
  expect(ids).toEqual(expect.arrayContaining(['one', 'two']));
  await thread.close();
  rmSync(folder, { recursive: true });
});
