import { useMutation } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useEffect, useState } from 'react';
import type { Session, SignedIn } from '../../src/model/api.ts';
import { BusbarMark } from './brand-mark.tsx';
import { useLive } from './data.ts';
import { ApiError, api, explain } from './http.ts';
import { Trouble } from './parts.tsx';
import './styles/account.css';

/** Everything on the page was fetched as somebody else, or as nobody: it begins anew. */
export const beginAnew = (): void => location.reload();

function trouble(error: unknown): { title: string; detail: string } {
  if (!(error instanceof ApiError)) return explain(error);
  if (error.status === 429) return { title: 'Wait a moment', detail: `${error.detail}. An admin can unlock a name.` };
  if (error.status === 401) return { title: 'Not signed in', detail: 'The name or the password is wrong.' };
  return error;
}

export function SignInForm({ session }: { session: Session | undefined }) {
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const send = useMutation({
    mutationFn: () => api<SignedIn>('/signin', { method: 'POST', body: { name: name.trim(), password } }),
    onSuccess: beginAnew,
    onError: () => setPassword(''),
  });
  const missing = name.trim() === '' || password === '';
  return (
    <>
      {session?.accounts === false && (
        <p className="account-note">
          Nobody has an account yet. Open the sign-in link that busbar printed when it started, and add one.
        </p>
      )}
      <form
        className="account-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing) send.mutate();
        }}
      >
        <label htmlFor="sign-in-name">Name</label>
        <input
          id="sign-in-name"
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          required
          maxLength={64}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <label htmlFor="sign-in-password">Password</label>
        <input
          id="sign-in-password"
          type="password"
          autoComplete="current-password"
          required
          maxLength={512}
          value={password}
          onChange={(event) => setPassword(event.target.value)}
        />
        {send.error !== null && <Trouble {...trouble(send.error)} />}
        <button
          type="submit"
          className="button primary"
          disabled={missing || send.isPending}
          title={missing ? 'Name and password first' : undefined}
        >
          {send.isPending ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      <p className="account-note muted">
        Who sees the console of the server can also open the link it printed there: it is good once, for a quarter of an
        hour.
      </p>
    </>
  );
}

/** All there is to see where reading needs somebody and nobody is signed in. */
export function SignInView({ session }: { session: Session }) {
  const live = useLive();
  // The stream would be refused again and again; the page begins anew after the sign-in.
  useEffect(() => live.stop(), [live]);
  return (
    <main id="main" className="page sign-in">
      <section className="card" aria-labelledby="sign-in-title">
        <BusbarMark />
        <h1 id="sign-in-title">Sign in to Busbar</h1>
        <SignInForm session={session} />
      </section>
    </main>
  );
}

export function SignInDialog({ session, onClose }: { session: Session; onClose: () => void }) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog sign-in-dialog" aria-describedby={undefined}>
          <Dialog.Title>Sign in</Dialog.Title>
          <SignInForm session={session} />
          <div className="dialog-foot">
            <Dialog.Close className="button quiet">Cancel</Dialog.Close>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
