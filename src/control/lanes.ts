import type { WallMs } from '../model/index.ts';

/**
 * How many commands may be under way at once. One that is not answered within a moment leaves its place to the next and
 * waits in a slow lane of its own: machines that are silent must not keep the others from being told.
 */
export interface Lanes {
  /** Places left where so many may be under way. */
  free(most: number): number;
  /** Takes a place. @returns what is called once, when the command has ended */
  take(): () => void;
}

/** Healthy firmware answers a command within this. */
const PATIENCE_MS = 400;

interface Place {
  readonly since: WallMs;
  hasEnded: boolean;
  isSlow: boolean;
}

export function createLanes(slowMost: number, wallNow: () => WallMs): Lanes {
  /** Oldest first. */
  let places: Place[] = [];
  let first = 0;
  let quick = 0;
  let slow = 0;

  /** Those that have waited too long leave their places to others. */
  function makeRoom(): void {
    const now = wallNow();
    for (let place = places[first]; place !== undefined; place = places[first]) {
      if (!place.hasEnded) {
        if (now - place.since < PATIENCE_MS || slow >= slowMost) break;
        place.isSlow = true;
        quick -= 1;
        slow += 1;
      }
      first += 1;
    }
    if (first > 1_024) {
      places = places.slice(first);
      first = 0;
    }
  }

  return {
    free(most) {
      if (quick >= most) makeRoom();
      return most - quick;
    },
    take() {
      const place: Place = { since: wallNow(), hasEnded: false, isSlow: false };
      places.push(place);
      quick += 1;
      return () => {
        place.hasEnded = true;
        if (place.isSlow) slow -= 1;
        else quick -= 1;
      };
    },
  };
}
