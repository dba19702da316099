/**
 * NVIDIA's "XID Errors" catalogue, the numbers met in practice. `part`: the GPU is to be reset or exchanged, and what it computes meanwhile
 * is not to be trusted to it; `program`: the fault of what ran on it; `watch`: worth a look.
 */
interface Xid {
  readonly of: 'part' | 'program' | 'watch';
  /** What it asks of a person, in plain words. */
  readonly words: string;
}

export const XIDS: Readonly<Record<number, Xid>> = {
  13: { of: 'program', words: 'a program made an illegal access (graphics engine exception)' },
  31: { of: 'program', words: 'a program touched memory it does not own (page fault)' },
  43: { of: 'program', words: 'a program was stopped by its own fault' },
  45: { of: 'program', words: 'a program was ended while it ran' },
  48: { of: 'part', words: 'memory error that could not be corrected: restart the GPU' },
  62: { of: 'part', words: 'its controller halted: restart the GPU' },
  63: { of: 'part', words: 'a worn memory row is to be replaced at the next restart' },
  64: { of: 'part', words: 'a worn memory row could not be replaced: exchange the GPU' },
  74: { of: 'part', words: 'NVLink error: check the bridge and its neighbour' },
  79: { of: 'part', words: 'fell off the bus: restart the server, then check power and seat' },
  92: { of: 'watch', words: 'many corrected memory errors' },
  94: { of: 'part', words: 'memory error, kept to one program' },
  95: { of: 'part', words: 'memory error, not kept to one program: restart the GPU' },
  119: { of: 'part', words: 'its controller does not answer: restart the GPU' },
  120: { of: 'part', words: 'its controller failed: restart the GPU' },
};

export const xidWords = (xid: number): string =>
  `${XIDS[xid]?.words ?? "the driver reported a fault; look it up in NVIDIA's list"} (XID ${xid})`;

/** Must the GPU be reset or exchanged before it is given work again? A number that is not in the list is not. */
export const isFatalXid = (xid: number | undefined): xid is number => xid !== undefined && XIDS[xid]?.of === 'part';
