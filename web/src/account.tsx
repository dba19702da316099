import { Dialog, Tabs } from 'radix-ui';
import { useState } from 'react';
import type { Session } from '../../src/model/api.ts';
import { Failed, useChange, when } from './account-parts.tsx';
import { PasswordPanel } from './account-password.tsx';
import { PeoplePanel } from './account-people.tsx';
import { SessionsPanel } from './account-sessions.tsx';
import { TokensPanel } from './account-tokens.tsx';
import { api } from './http.ts';
import { SignInDialog, beginAnew } from './sign-in.tsx';

const ROLE_WORDS = {
  customer: 'may see and run what is of the own tenant',
  viewer: 'may look, not act',
  operator: 'may look, and hold and release',
  admin: 'may do everything',
} as const;

/** Who is signed in, at the right of the top bar; leads to the account, or to the sign-in. */
export function AccountCorner({ session }: { session: Session | undefined }) {
  const [open, setOpen] = useState(false);
  if (session === undefined) return <span className="signed muted">…</span>;
  if (!session.signedIn) {
    return (
      <>
        <button type="button" className="button" onClick={() => setOpen(true)}>
          Sign in
        </button>
        {open && <SignInDialog session={session} onClose={() => setOpen(false)} />}
      </>
    );
  }
  const about = session.role === null ? '' : ROLE_WORDS[session.role];
  return (
    <span className="signed">
      <button type="button" className="button quiet" title={`Your account: ${about}`} onClick={() => setOpen(true)}>
        {session.who ?? 'Signed in'} <span className="muted">{session.role}</span>
      </button>
      <SignOut />
      {open && <AccountDialog session={session} onClose={() => setOpen(false)} />}
    </span>
  );
}

function SignOut() {
  const signOut = useChange(() => api('/signout', { method: 'POST' }), beginAnew);
  return (
    <>
      <button
        type="button"
        className="button quiet sign-out"
        disabled={signOut.isPending}
        onClick={() => signOut.mutate(undefined)}
      >
        Sign out
      </button>
      <Failed error={signOut.error} />
    </>
  );
}

function AccountDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  const admin = session.role === 'admin';
  const about =
    session.via === 'link'
      ? `You are here by the link on the server's console, as ${session.role}`
      : `${session.who}, ${session.role}`;
  const tabs = [
    ['password', 'Password', undefined],
    ['sessions', 'Sessions', undefined],
    ['tokens', 'API tokens', undefined],
    ['people', 'People', admin ? undefined : 'Accounts are for admins'],
  ] as const;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog account">
          <Dialog.Title>Your account</Dialog.Title>
          <Dialog.Description>
            {about}: {session.role === null ? '' : ROLE_WORDS[session.role]}. Signed in until {when(session.expiresAt)}{' '}
            at the latest.
          </Dialog.Description>
          <Tabs.Root defaultValue={session.via === 'link' ? 'people' : 'password'}>
            <Tabs.List className="account-tabs" aria-label="Your account">
              {tabs.map(([value, word, reason]) => (
                <Tabs.Trigger key={value} value={value} disabled={reason !== undefined} title={reason}>
                  {word}
                </Tabs.Trigger>
              ))}
            </Tabs.List>
            <Tabs.Content value="password">
              <PasswordPanel session={session} />
            </Tabs.Content>
            <Tabs.Content value="sessions">
              <SessionsPanel />
            </Tabs.Content>
            <Tabs.Content value="tokens">
              <TokensPanel session={session} />
            </Tabs.Content>
            <Tabs.Content value="people">
              <PeoplePanel session={session} />
            </Tabs.Content>
          </Tabs.Root>
          <div className="dialog-foot">
            <SignOut />
            <Dialog.Close className="button">Close</Dialog.Close>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
