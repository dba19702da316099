import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { z } from 'zod';
import type { Role, Session, UserChange, UserRow, userList } from '../../src/model/api.ts';
import { Asked, Failed, SureButton, tooShort, useChange, when } from './account-parts.tsx';
import { api } from './http.ts';

const ROLES: readonly Role[] = ['viewer', 'operator', 'admin'];
const pathOf = (name: string): string => `/users/${encodeURIComponent(name)}`;

/** For admins: accounts, their roles and locks. */
export function PeoplePanel({ session }: { session: Session }) {
  const query = useQuery({
    queryKey: ['access', 'users'],
    queryFn: ({ signal }) => api<z.infer<typeof userList>>('/users', { signal }),
    staleTime: 0,
  });
  const change = useChange(({ name, wish }: { name: string; wish: UserChange }) =>
    api(pathOf(name), { method: 'POST', body: wish }),
  );
  const remove = useChange((name: string) => api(pathOf(name), { method: 'DELETE' }));
  return (
    <Asked query={query}>
      {({ users }) => (
        <>
          {users.length === 0 && (
            <p className="account-note">Nobody has an account yet. The first should be an admin: probably you.</p>
          )}
          <ul className="account-list">
            {users.map((user) => (
              <Row
                key={user.name}
                user={user}
                mine={user.name === session.who}
                busy={change.isPending || remove.isPending}
                onChange={(wish) => change.mutate({ name: user.name, wish })}
                onRemove={() => remove.mutate(user.name)}
              />
            ))}
          </ul>
          <Failed error={change.error ?? remove.error} />
          <NewAccount first={users.length === 0} />
        </>
      )}
    </Asked>
  );
}

interface RowProps {
  user: UserRow;
  mine: boolean;
  busy: boolean;
  onChange: (wish: UserChange) => void;
  onRemove: () => void;
}

function Row({ user, mine, busy, onChange, onRemove }: RowProps) {
  const self = mine ? 'This is your own account: another admin can do it' : undefined;
  const locked = user.lockedUntil !== null;
  return (
    <li>
      <div>
        <strong>{user.name}</strong>
        {mine && <span className="tag"> you</span>}
        {user.disabled && <span className="tag tone-warn"> disabled</span>}
        {locked && <span className="tag tone-warn"> locked until {when(user.lockedUntil)}</span>}
        <span className="row-detail">
          last sign-in {when(user.signedInAt)}; {user.sessions} {user.sessions === 1 ? 'session' : 'sessions'},{' '}
          {user.tokens} {user.tokens === 1 ? 'token' : 'tokens'}
          {user.failures > 0 && `; ${user.failures} failed since`}
        </span>
      </div>
      <div className="account-acts">
        <select
          aria-label={`Role of ${user.name}`}
          value={user.role}
          disabled={busy || self !== undefined}
          title={self ?? 'A change ends the sessions of the account'}
          onChange={(event) => onChange({ role: event.target.value as Role })}
        >
          {user.role === 'customer' && <option value="customer">customer of {user.tenant}</option>}
          {ROLES.map((role) => (
            <option key={role}>{role}</option>
          ))}
        </select>
        {(locked || user.failures > 0) && (
          <button type="button" className="button" disabled={busy} onClick={() => onChange({ unlock: true })}>
            Unlock
          </button>
        )}
        {user.disabled ? (
          <button type="button" className="button" disabled={busy} onClick={() => onChange({ disabled: false })}>
            Enable
          </button>
        ) : (
          <SureButton
            word="Disable"
            sure="Really?"
            reason={self}
            busy={busy}
            onSure={() => onChange({ disabled: true })}
          />
        )}
        <SureButton word="Remove" sure="Really?" reason={self} busy={busy} onSure={onRemove} />
        <SetPassword busy={busy} onSet={(password) => onChange({ password })} />
      </div>
    </li>
  );
}

function SetPassword({ busy, onSet }: { busy: boolean; onSet: (password: string) => void }) {
  const [password, setPassword] = useState<string>();
  if (password === undefined) {
    return (
      <button type="button" className="button" onClick={() => setPassword('')}>
        New password
      </button>
    );
  }
  const short = tooShort(password);
  return (
    <form
      className="account-inline"
      onSubmit={(event) => {
        event.preventDefault();
        if (short) return;
        onSet(password);
        setPassword(undefined);
      }}
    >
      <input
        type="password"
        aria-label="New password"
        autoComplete="new-password"
        maxLength={512}
        value={password}
        onChange={(event) => setPassword(event.target.value)}
      />
      <button
        type="submit"
        className="button"
        disabled={busy || short}
        title={short ? 'At least 12 characters' : undefined}
      >
        Set
      </button>
      <button type="button" className="button quiet" onClick={() => setPassword(undefined)}>
        Cancel
      </button>
    </form>
  );
}

function NewAccount({ first }: { first: boolean }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>(first ? 'admin' : 'viewer');
  const add = useChange(async () => {
    await api('/users', { method: 'POST', body: { name: name.trim(), role, password } });
    setName('');
    setPassword('');
  });
  const short = tooShort(password);
  const reason = name.trim() === '' ? 'A name first' : short ? 'A password of at least 12 characters' : undefined;
  return (
    <form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (reason === undefined) add.mutate(undefined);
      }}
    >
      <h3>New account</h3>
      <div className="account-fields">
        <label>
          Name
          <input
            value={name}
            maxLength={64}
            autoCapitalize="none"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setName(event.target.value)}
          />
        </label>
        <label>
          Password
          <input
            type="password"
            value={password}
            maxLength={512}
            autoComplete="new-password"
            onChange={(event) => setPassword(event.target.value)}
          />
        </label>
        <label>
          Role
          <select value={role} onChange={(event) => setRole(event.target.value as Role)}>
            {ROLES.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
      </div>
      <Failed error={add.error} />
      <button type="submit" className="button primary" disabled={reason !== undefined || add.isPending} title={reason}>
        Add account
      </button>
    </form>
  );
}
