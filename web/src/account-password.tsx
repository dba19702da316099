import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import type { Session, SignedIn } from '../../src/model/api.ts';
import { Failed, PASSWORD_MIN, tooShort } from './account-parts.tsx';
import { api } from './http.ts';

function whyNot(current: string, next: string, again: string): string | undefined {
  if (current === '') return 'Your password until now first';
  if (tooShort(next)) return `The new password has at least ${PASSWORD_MIN} characters`;
  return next === again ? undefined : 'The two new ones are not the same';
}

export function PasswordPanel({ session }: { session: Session }) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [again, setAgain] = useState('');
  const send = useMutation({
    mutationFn: () => api<SignedIn>('/account/password', { method: 'POST', body: { current, next } }),
    onSuccess: () => {
      setCurrent('');
      setNext('');
      setAgain('');
    },
  });
  if (session.via === 'link') {
    return (
      <p className="account-note">
        You came by the sign-in link, which is no account and has no password. Add an account under People, and sign in
        with it.
      </p>
    );
  }
  const reason = whyNot(current, next, again);
  const fields = [
    ['current', 'Password until now', 'current-password', current, setCurrent],
    ['next', 'New password', 'new-password', next, setNext],
    ['again', 'New password once more', 'new-password', again, setAgain],
  ] as const;
  return (
    <form
      className="account-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (reason === undefined) send.mutate();
      }}
    >
      {/* Tells a password manager whose passwords these are. */}
      <input className="sr-only" autoComplete="username" value={session.who ?? ''} readOnly tabIndex={-1} aria-hidden />
      {fields.map(([id, label, complete, value, set]) => (
        <div key={id}>
          <label htmlFor={`password-${id}`}>{label}</label>
          <input
            id={`password-${id}`}
            type="password"
            autoComplete={complete}
            maxLength={512}
            value={value}
            onChange={(event) => set(event.target.value)}
          />
        </div>
      ))}
      <Failed error={send.error} />
      {send.isSuccess && <p role="status">Changed. You are signed out everywhere else.</p>}
      <button type="submit" className="button primary" disabled={reason !== undefined || send.isPending} title={reason}>
        Change password
      </button>
    </form>
  );
}
