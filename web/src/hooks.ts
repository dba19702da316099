import { useCallback, useEffect, useState, useSyncExternalStore } from 'react';

/** Wall milliseconds; only differences mean anything. */
export const wallNow = (): number => performance.now();

let tick = wallNow();
const tickListeners = new Set<() => void>();
let ticking: ReturnType<typeof setInterval> | undefined;

/** One and the same for all renders: a new one each time would begin the second anew, and a page that draws each second would never see it end. */
function subscribeTick(listener: () => void): () => void {
  tickListeners.add(listener);
  ticking ??= setInterval(() => {
    tick = wallNow();
    for (const each of tickListeners) each();
  }, 1000);
  return () => {
    tickListeners.delete(listener);
    if (tickListeners.size > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  };
}

/** Wall time that moves once a second, shared by everything that shows an age. */
export const useWallNow = (): number => useSyncExternalStore(subscribeTick, () => tick);

export type Theme = 'dark' | 'light' | 'system';
const THEME_KEY = 'busbar-theme';
const themeListeners = new Set<() => void>();

function storedTheme(): Theme {
  const theme = document.documentElement.dataset['theme'];
  return theme === 'dark' || theme === 'light' ? theme : 'system';
}

export function setTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
  try {
    if (theme === 'system') localStorage.removeItem(THEME_KEY);
    else localStorage.setItem(THEME_KEY, theme);
  } catch {
    // Storage is blocked: the choice lasts as long as the page.
  }
  for (const listener of themeListeners) listener();
}

const subscribeTheme = (listener: () => void) => {
  const system = matchMedia('(prefers-color-scheme: dark)');
  themeListeners.add(listener);
  system.addEventListener('change', listener);
  return () => {
    themeListeners.delete(listener);
    system.removeEventListener('change', listener);
  };
};

export const useTheme = (): Theme => useSyncExternalStore(subscribeTheme, storedTheme);

/** What is really shown, the system's choice included. */
export const useDark = (): boolean =>
  useSyncExternalStore(subscribeTheme, () => {
    const theme = storedTheme();
    return theme === 'system' ? matchMedia('(prefers-color-scheme: dark)').matches : theme === 'dark';
  });

/** Filters of the machines table, kept in the address so that a view can be sent to someone. */
export interface Filter {
  readonly hall: string;
  readonly state: string;
  readonly q: string;
}

const FILTER_EVENT = 'busbar-filter';
const readSearch = () => location.search;

function subscribeSearch(listener: () => void) {
  addEventListener('popstate', listener);
  addEventListener(FILTER_EVENT, listener);
  return () => {
    removeEventListener('popstate', listener);
    removeEventListener(FILTER_EVENT, listener);
  };
}

export function useFilter(): Filter {
  const search = new URLSearchParams(useSyncExternalStore(subscribeSearch, readSearch));
  return { hall: search.get('hall') ?? '', state: search.get('state') ?? '', q: search.get('q') ?? '' };
}

export function setFilter(change: Partial<Filter>): void {
  const search = new URLSearchParams(location.search);
  for (const [key, value] of Object.entries(change)) {
    if (value === '') search.delete(key);
    else search.set(key, value);
  }
  const text = search.toString();
  history.replaceState(history.state, '', `${location.pathname}${text === '' ? '' : `?${text}`}${location.hash}`);
  dispatchEvent(new Event(FILTER_EVENT));
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Single keys of the page; they rest while a person types or a dialog is open. */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (document.querySelector('[role="dialog"]') !== null) return;
      const run = keys[event.key];
      if (run === undefined) return;
      event.preventDefault();
      run();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [keys]);
}

/** Shows the machines table with a filter set. */
export function showMachines(change: Partial<Filter>): void {
  setFilter({ hall: '', state: '', q: '', ...change });
  const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
  document.getElementById('machines')?.scrollIntoView({ behavior: calm ? 'auto' : 'smooth', block: 'start' });
}

/** For `onCloseAutoFocus` of a dialog that no trigger of its own opened: whoever works by keyboard is where they were. */
export function useFocusBack(): (event: Event) => void {
  const [opener] = useState(() => document.activeElement);
  return useCallback(
    (event) => {
      event.preventDefault();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    },
    [opener],
  );
}
