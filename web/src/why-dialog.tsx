import { useMutation } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useState, type ReactNode } from 'react';
import { queryClient } from './data.ts';
import { useFocusBack } from './hooks.ts';
import { explain } from './http.ts';
import { Trouble } from './parts.tsx';

const MIN_WHY = 3;
const MAX_WHY = 500;

/** Asks why, shows what will be sent, and sends it: every act of a person goes on record with its reason. */
export function WhyDialog({
  title,
  about,
  placeholder,
  equivalent,
  word,
  act,
  onClose,
  children,
}: {
  title: string;
  about: string;
  placeholder: string;
  /** The same action without this page. */
  equivalent: { readonly summary: string; text(why: string): string };
  /** On the button. */
  word: string;
  act(why: string): Promise<unknown>;
  onClose: () => void;
  /** What is chosen before why is asked. */
  children?: ReactNode;
}) {
  const focusBack = useFocusBack();
  const [why, setWhy] = useState('');
  const send = useMutation({
    mutationFn: () => act(why.trim()),
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['overview'] });
      await queryClient.invalidateQueries({ queryKey: ['activity'] });
    },
  });
  const ready = why.trim().length >= MIN_WHY;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog" onCloseAutoFocus={focusBack}>
          <Dialog.Title>{title}</Dialog.Title>
          <Dialog.Description>{about}</Dialog.Description>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (ready) send.mutate();
            }}
          >
            {children}
            <label htmlFor="why">Why</label>
            <textarea
              id="why"
              rows={3}
              required
              minLength={MIN_WHY}
              maxLength={MAX_WHY}
              value={why}
              placeholder={placeholder}
              onChange={(event) => setWhy(event.target.value)}
            />
            <details className="equivalent">
              <summary>{equivalent.summary}</summary>
              <pre>{equivalent.text(why.trim())}</pre>
            </details>
            {send.error !== null && <Trouble {...explain(send.error)} />}
            <div className="dialog-foot">
              <Dialog.Close className="button quiet">Cancel</Dialog.Close>
              <button
                type="submit"
                className="button primary"
                disabled={!ready || send.isPending}
                title={ready ? undefined : 'Say why first'}
              >
                {send.isPending ? 'Sending…' : word}
              </button>
            </div>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
