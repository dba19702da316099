import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { explain } from './http.ts';
import { Skeleton, Trouble } from './parts.tsx';

/** `2026-03-23 22:45 UTC`: sessions and tokens are dated by the wall clock, not the site's. */
export const when = (iso: string | null): string =>
  iso === null ? 'never' : `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;

/** Characters as a person counts them, near enough; the server has the last word. */
export const PASSWORD_MIN = 12;
export const tooShort = (password: string): boolean => Array.from(password).length < PASSWORD_MIN;

/** Asks a second time before it does what cannot be undone. */
export function SureButton({
  word,
  sure,
  reason,
  busy,
  onSure,
}: {
  word: string;
  sure: string;
  /** Why it cannot be pressed; undefined where it can. */
  reason?: string | undefined;
  busy: boolean;
  onSure: () => void;
}) {
  const [asked, setAsked] = useState(false);
  return (
    <button
      type="button"
      className={asked ? 'button sure' : 'button'}
      disabled={reason !== undefined || busy}
      title={reason}
      onBlur={() => setAsked(false)}
      onClick={() => {
        if (asked) onSure();
        setAsked(!asked);
      }}
    >
      {asked ? sure : word}
    </button>
  );
}

/** A change of access: what is listed is asked for again when it is done. */
export function useChange<V>(work: (value: V) => Promise<unknown>, onDone?: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: work,
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['access'] });
      onDone?.();
    },
  });
}

/** What a query gave, or why it gave nothing, or that it has not answered yet. */
export function Asked<T>({
  query,
  children,
}: {
  query: { data: T | undefined; error: unknown; refetch: () => unknown };
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  if (query.error !== null) return <Trouble {...explain(query.error)} onRetry={() => void query.refetch()} />;
  return <Skeleton lines={4} />;
}

export const Failed = ({ error }: { error: unknown }) => (error === null ? null : <Trouble {...explain(error)} />);
