import { useSyncExternalStore } from 'react';

/** Pages of the site, by the hash of the address: no hash, or one that names a place on the page, is the site itself. */
export type Route = 'site' | 'convert';

export const CONVERT_HASH = '#/convert';

const routeOf = (): Route => (location.hash.startsWith(CONVERT_HASH) ? 'convert' : 'site');

function subscribe(listener: () => void): () => void {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}

export const useRoute = (): Route => useSyncExternalStore(subscribe, routeOf);
