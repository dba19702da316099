import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { drivers } from '../../drivers/index.ts';

export class NewDriverError extends Error {}

const BLUEPRINT = join(import.meta.dirname, '..', '..', 'drivers', 'wire', 'blueprint.txt');
const RECORDING = join(import.meta.dirname, '..', '..', 'drivers', 'wire', 'blueprint-recording.txt');

/**
 * Copies the blueprint of a driver and of its first recording into a checkout of the project.
 * @returns the files written, as paths from the root
 * @throws NewDriverError in words where it cannot
 */
export function newDriver(name: string, root: string): string[] {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new NewDriverError(`"${name}": expected lower-case words with dashes, such as acme-miner`);
  if (drivers.some((driver) => driver.name === name)) throw new NewDriverError(`there is a driver "${name}" already`);
  if (!existsSync(join(root, 'src', 'drivers', 'driver.ts')))
    throw new NewDriverError(
      `${root}: no checkout of busbar; run it at the root of one (a driver is a file of its source)`,
    );
  const camel = name.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const fill = (path: string) => readFileSync(path, 'utf8').replaceAll('__NAME__', name).replaceAll('__CAMEL__', camel);
  const files: [string, string][] = [
    [join(root, 'src', 'drivers', `${name}.ts`), fill(BLUEPRINT)],
    [join(root, 'test', 'recordings', name, 'running.json'), fill(RECORDING)],
  ];
  for (const [path] of files) if (existsSync(path)) throw new NewDriverError(`${relative(root, path)}: there already`);
  for (const [path, text] of files) {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
  }
  return files.map(([path]) => relative(root, path));
}
