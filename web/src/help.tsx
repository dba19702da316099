import { Dialog } from 'radix-ui';
import { STATES, StateMark } from './parts.tsx';

const KEYS: readonly [string, string][] = [
  ['/', 'find a machine'],
  ['j  k', 'down and up in the machines table'],
  ['t', 'light, dark, as the system'],
  ['a', 'to the alarms'],
  ['?', 'this help'],
  ['Esc', 'close'],
];

const WORDS: readonly [string, string][] = [
  ['Block', 'Power bought ahead at a fixed price. What is not used of it is sold back at the real-time price.'],
  ['Other', 'Draw that is explained but belongs to no line of business: base cooling, idle hosts, losses.'],
  [
    'Unknown',
    'What the feeder meter saw less what machines, cooling and losses explain. A missing figure is never written as 0.',
  ],
  ['Break-even', 'The price of power at which a miner in its stock profile earns nothing.'],
  [
    'Auto, suggest, shadow',
    'In auto Busbar carries its plan out; in suggest a person confirms what it wants; in shadow it plans and acts on nothing.',
  ],
  [
    'Seen at the meter',
    "A command is sent, acknowledged by the machine, seen in the machine's own power, and at last confirmed by the hall's meter.",
  ],
];

export function Help({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog help" aria-describedby={undefined}>
          <Dialog.Title>Keys and words</Dialog.Title>
          <div className="help-columns">
            <section>
              <h3>Keys</h3>
              <dl className="keys">
                {KEYS.map(([key, about]) => (
                  <div key={key}>
                    <dt>
                      {key.split('  ').map((k) => (
                        <kbd key={k}>{k}</kbd>
                      ))}
                    </dt>
                    <dd>{about}</dd>
                  </div>
                ))}
              </dl>
            </section>
            <section>
              <h3>States of a machine</h3>
              <dl className="state-words">
                {STATES.map(({ state, word, about }) => (
                  <div key={state}>
                    <dt>
                      <StateMark state={state} />
                      {word}
                    </dt>
                    <dd>{about}</dd>
                  </div>
                ))}
              </dl>
            </section>
          </div>
          <h3>Words</h3>
          <dl className="words">
            {WORDS.map(([word, about]) => (
              <div key={word}>
                <dt>{word}</dt>
                <dd>{about}</dd>
              </div>
            ))}
          </dl>
          <div className="dialog-foot">
            <Dialog.Close className="button">Close</Dialog.Close>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
