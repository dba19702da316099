import * as highs from 'highs';
import type { Highs } from 'highs';

/** Loads the solver's WebAssembly. Its types call it a CommonJS module, so the default export is named by hand. */
export const loadHighs = (): Promise<Highs> => (highs.default as unknown as () => Promise<Highs>)();
