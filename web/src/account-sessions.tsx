import { useQuery } from '@tanstack/react-query';
import type { z } from 'zod';
import type { SessionRow, sessionList } from '../../src/model/api.ts';
import { Asked, Failed, SureButton, useChange, when } from './account-parts.tsx';
import { api } from './http.ts';
import { beginAnew } from './sign-in.tsx';

/** The browser's or program's own word for itself, made short. */
export function agentWord(agent: string): string {
  // The later words are what a browser is; the earlier ones, what it wants to pass for.
  const browser = ['Edg', 'Firefox', 'Chrome', 'Safari']
    .map((word) => new RegExp(`(${word})/(\\d+)`).exec(agent))
    .find((found) => found !== null);
  if (browser === undefined || browser === null) return agent === '' ? 'unknown program' : agent.slice(0, 60);
  const system = /(Windows|Mac OS X|Android|iPhone|Linux)/.exec(agent)?.[1];
  return `${browser[1] === 'Edg' ? 'Edge' : browser[1]} ${browser[2]}${system === undefined ? '' : `, ${system}`}`;
}

export function SessionsPanel() {
  const query = useQuery({
    queryKey: ['access', 'sessions'],
    queryFn: ({ signal }) => api<z.infer<typeof sessionList>>('/account/sessions', { signal }),
    staleTime: 0,
  });
  const end = useChange((id: string) => api(`/account/sessions/${id}`, { method: 'DELETE' }));
  const endAll = useChange(() => api('/account/sessions', { method: 'DELETE' }), beginAnew);
  return (
    <Asked query={query}>
      {({ sessions }) => (
        <>
          <ul className="account-list">
            {sessions.map((session) => (
              <Row key={session.id} session={session} busy={end.isPending} onEnd={() => end.mutate(session.id)} />
            ))}
          </ul>
          <Failed error={end.error ?? endAll.error} />
          <SureButton
            word="Sign out everywhere"
            sure="Really everywhere, here too?"
            busy={endAll.isPending}
            onSure={() => endAll.mutate(undefined)}
          />
        </>
      )}
    </Asked>
  );
}

function Row({ session, busy, onEnd }: { session: SessionRow; busy: boolean; onEnd: () => void }) {
  return (
    <li>
      <div>
        <strong>{agentWord(session.agent)}</strong> from <span className="mono">{session.address}</span>
        {session.current && <span className="tag"> this one</span>}
        <span className="row-detail">
          since {when(session.createdAt)}, used {when(session.usedAt)}, ends by {when(session.expiresAt)}
        </span>
      </div>
      <SureButton
        word="End"
        sure="Really end?"
        reason={session.current ? 'This is the session you are in: sign out instead' : undefined}
        busy={busy}
        onSure={onEnd}
      />
    </li>
  );
}
