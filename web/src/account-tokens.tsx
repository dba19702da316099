import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { z } from 'zod';
import type { Role, Session, TokenMade, TokenRow, tokenList } from '../../src/model/api.ts';
import { Asked, Failed, SureButton, useChange, when } from './account-parts.tsx';
import { api } from './http.ts';

type TokenList = z.infer<typeof tokenList>;
const ROLES: readonly Role[] = ['viewer', 'operator', 'admin'];
const CUSTOMER: readonly Role[] = ['customer'];

export function TokensPanel({ session }: { session: Session }) {
  const admin = session.role === 'admin';
  const query = useQuery({
    queryKey: ['access', 'tokens', admin],
    queryFn: ({ signal }) => api<TokenList>(`/account/tokens?all=${admin}`, { signal }),
    staleTime: 0,
  });
  const revoke = useChange((id: string) => api(`/account/tokens/${id}`, { method: 'DELETE' }));
  return (
    <Asked query={query}>
      {({ tokens, tags }) => (
        <>
          {tokens.length === 0 && (
            <p className="account-note muted">No tokens yet. A token lets a program ask or act.</p>
          )}
          <ul className="account-list">
            {tokens.map((token) => (
              <Row
                key={token.id}
                token={token}
                mine={token.owner === session.who}
                busy={revoke.isPending}
                onRevoke={() => revoke.mutate(token.id)}
              />
            ))}
          </ul>
          <Failed error={revoke.error} />
          <NewToken session={session} tags={tags} />
        </>
      )}
    </Asked>
  );
}

function Row({ token, mine, busy, onRevoke }: { token: TokenRow; mine: boolean; busy: boolean; onRevoke: () => void }) {
  return (
    <li>
      <div>
        <strong>{token.name}</strong> <span className="tag">{token.role}</span>{' '}
        <span className="muted">{token.tags === null ? 'all routes' : token.tags.join(', ')}</span>
        {token.expired && <span className="tag tone-warn"> expired</span>}
        <span className="row-detail">
          {mine ? '' : `of ${token.owner}, `}
          <span className="mono">bb_{token.id}_…</span>, {token.expired ? 'expired' : 'good until'}{' '}
          {when(token.expiresAt)}, last used {when(token.usedAt)}
        </span>
      </div>
      <SureButton word="Revoke" sure="Really revoke?" busy={busy} onSure={onRevoke} />
    </li>
  );
}

function NewToken({ session, tags }: { session: Session; tags: readonly string[] }) {
  const [name, setName] = useState('');
  const roles = session.role === 'customer' ? CUSTOMER : ROLES;
  const [role, setRole] = useState<Role>(roles[0] ?? 'viewer');
  const [days, setDays] = useState(90);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [made, setMade] = useState<TokenMade>();
  const make = useChange(async () => {
    const body = { name: name.trim(), role, days, tags: chosen.length === 0 ? null : chosen };
    setMade(await api<TokenMade>('/account/tokens', { method: 'POST', body }));
    setName('');
  });
  const reason =
    session.via === 'link'
      ? 'A token belongs to an account, and you came by the link: add an account and sign in with it'
      : name.trim() === ''
        ? 'Give it a name first'
        : undefined;
  const mine = roles.indexOf(session.role ?? 'viewer');
  return (
    <form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (reason === undefined) make.mutate(undefined);
      }}
    >
      <h3>New token</h3>
      {made !== undefined && <Shown made={made} />}
      <div className="account-fields">
        <label>
          Name
          <input
            value={name}
            maxLength={64}
            placeholder="prometheus"
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <label>
          May
          <select value={role} onChange={(event) => setRole(event.target.value as Role)}>
            {roles.map((each, i) => (
              <option key={each} value={each} disabled={i > mine}>
                {each}
                {i > mine ? ' (more than you may)' : ''}
              </option>
            ))}
          </select>
        </label>
        <label>
          Days
          <input
            type="number"
            min={1}
            max={365}
            required
            value={days}
            onChange={(event) => setDays(event.target.valueAsNumber)}
          />
        </label>
      </div>
      <fieldset>
        <legend>For (none chosen: all)</legend>
        {tags.map((tag) => (
          <label key={tag} className="account-tag">
            <input
              type="checkbox"
              checked={chosen.includes(tag)}
              onChange={(event) =>
                setChosen(event.target.checked ? [...chosen, tag] : chosen.filter((other) => other !== tag))
              }
            />
            {tag}
          </label>
        ))}
      </fieldset>
      <Failed error={make.error} />
      <button type="submit" className="button primary" disabled={reason !== undefined || make.isPending} title={reason}>
        Make token
      </button>
      {session.via === 'link' && <p className="note muted">{reason}.</p>}
    </form>
  );
}

function Shown({ made }: { made: TokenMade }) {
  const [copied, setCopied] = useState(false);
  return (
    <div className="account-secret" role="status">
      <p>
        <strong>{made.row.name}</strong>, good until {when(made.row.expiresAt)}. It is shown this once: keep it now.
      </p>
      <code>{made.token}</code>
      <button
        type="button"
        className="button"
        onClick={() => void navigator.clipboard.writeText(made.token).then(() => setCopied(true))}
      >
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}
