import { useMutation } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useEffect, useId, useState, type ReactNode } from 'react';
import type { Overview } from '../../src/model/api.ts';
import type { OrderPreviewRequest, OrderPreviewView, OrderState } from '../../src/model/orders-api.ts';
import { queryClient } from './data.ts';
import { known, moneyPerHour, number, power, powerChange } from './format.ts';
import { shellQuoted } from './hold-dialog.tsx';
import { useFocusBack, useWallNow, wallNow } from './hooks.ts';
import { api, explain } from './http.ts';
import { Trouble } from './parts.tsx';
import { plural } from './verdict.ts';

const MIN_WHY = 3;

interface Shown {
  readonly preview: OrderPreviewView;
  /** What it was asked for: another figure needs another preview. */
  readonly request: OrderPreviewRequest;
  readonly at: number;
}

const equivalentOf = (request: OrderPreviewRequest, why: string): string =>
  request.kind === 'stop'
    ? `busbar stop --why ${shellQuoted(why === '' ? '…' : why)}`
    : `busbar curtail --mw ${request.mw} --for ${request.minutes}m --why ${shellQuoted(why === '' ? '…' : why)}`;

/**
 * Preview, then confirm: the server carries out the previewed id and nothing else, and refuses one that is stale. What is
 * typed after a preview makes it void.
 * @param request undefined while what is typed makes no order
 */
function OrderDialog({
  title,
  about,
  overview,
  request,
  grave = false,
  fields,
  onClose,
}: {
  title: string;
  about: string;
  overview: Overview;
  request: OrderPreviewRequest | undefined;
  /** A safe stop: previewed at once, and its button says what it does in the colour of danger. */
  grave?: boolean;
  fields?: ReactNode;
  onClose: () => void;
}) {
  const id = useId();
  const focusBack = useFocusBack();
  const now = useWallNow();
  const [why, setWhy] = useState('');
  const preview = useMutation({
    mutationFn: async (asked: OrderPreviewRequest): Promise<Shown> => {
      const body = asked;
      return {
        preview: await api<OrderPreviewView>('/orders/preview', { method: 'POST', body }),
        request: asked,
        at: wallNow(),
      };
    },
  });
  const send = useMutation({
    mutationFn: (of: string) => api<OrderState>('/orders', { method: 'POST', body: { preview: of, why: why.trim() } }),
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['asked'] });
      await queryClient.invalidateQueries({ queryKey: ['activity'] });
    },
  });
  const { mutate } = preview;
  useEffect(() => {
    if (grave) mutate({ kind: 'stop' });
  }, [grave, mutate]);
  const shown = preview.data;
  const isOfThis = shown !== undefined && JSON.stringify(shown.request) === JSON.stringify(request);
  const leftS = shown === undefined ? 0 : Math.ceil(shown.preview.holdsSeconds - Math.max(0, now - shown.at) / 1000);
  const isStale = isOfThis && leftS <= 0;
  const isReady = isOfThis && !isStale && why.trim().length >= MIN_WHY;
  const word = grave ? 'Stop every miner' : shown?.preview.needsSecondPerson === true ? 'Ask for it' : 'Carry it out';
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog order-dialog" onCloseAutoFocus={focusBack}>
          <Dialog.Title>{title}</Dialog.Title>
          <Dialog.Description>{about}</Dialog.Description>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (isReady) send.mutate(shown.preview.id);
              else if (request !== undefined && (!isOfThis || isStale)) preview.mutate(request);
            }}
          >
            {fields}
            <label htmlFor={`${id}-why`}>Why</label>
            <textarea
              id={`${id}-why`}
              rows={2}
              required
              minLength={MIN_WHY}
              maxLength={500}
              value={why}
              placeholder={grave ? 'Smoke in hall B' : 'The utility called'}
              onChange={(event) => setWhy(event.target.value)}
            />
            <div aria-live="polite">
              {preview.isPending && <p className="muted">Working out what it would do…</p>}
              {preview.error !== null && !preview.isPending && <Trouble {...explain(preview.error)} />}
              {isOfThis && !preview.isPending && <Preview shown={shown.preview} overview={overview} />}
              {isStale && !preview.isPending && (
                <Trouble
                  title="This preview is too old"
                  detail="The site has moved on since: look again before you carry it out."
                />
              )}
            </div>
            {request !== undefined && (
              <details className="equivalent">
                <summary>The same on the command line</summary>
                <pre>{equivalentOf(request, why.trim())}</pre>
              </details>
            )}
            {send.error !== null && !send.isPending && <Trouble {...explain(send.error)} />}
            <div className="dialog-foot">
              {isOfThis && !isStale && (
                <span className="muted figure preview-left">good for {number(Math.max(0, leftS))} s</span>
              )}
              <Dialog.Close className="button quiet">Cancel</Dialog.Close>
              <button
                type="button"
                className="button"
                disabled={request === undefined || preview.isPending}
                title={request === undefined ? 'Say how much and how long first' : undefined}
                onClick={() => request !== undefined && preview.mutate(request)}
              >
                {shown === undefined ? 'Preview' : 'Preview again'}
              </button>
              <button
                type="submit"
                className={grave ? 'button grave' : 'button primary'}
                disabled={!isReady || send.isPending}
                title={isReady ? undefined : isOfThis && !isStale ? 'Say why first' : 'Look at the preview first'}
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

/** What an order would do: import before and after, machines by hall, jobs, money, and who is left out. */
function Preview({ shown, overview }: { shown: OrderPreviewView; overview: Overview }) {
  const { importW, thenW, firmW, reached, machines, gpus, skipped, usdPerHour, responseSeconds } = shown;
  const hallOf = (group: string): string => {
    const hallId = overview.cohorts.find(({ id }) => id === group)?.hallId;
    return overview.halls.find(({ id }) => id === hallId)?.name ?? hallId ?? '';
  };
  return (
    <section className="order-preview" aria-label="What it would do">
      {!reached && (
        <Trouble title="Not reached" detail="What may stop is not enough: import stays above what you asked for." />
      )}
      {thenW === null && (
        <p>Nothing can be planned yet, so that only miners that run are listed. A stop needs no plan.</p>
      )}
      <dl className="facts">
        <Fact word="Import now" text={power(importW)} />
        <Fact
          word="Import then"
          text={power(thenW)}
          detail={known(importW) && known(thenW) ? powerChange(thenW - importW) : undefined}
        />
        {firmW !== null && <Fact word="Asked for" text={power(firmW)} />}
        <Fact word="Costs" text={moneyPerHour(usdPerHour)} />
        <Fact word="Asleep within" text={responseSeconds === null ? 'not measured' : `${number(responseSeconds)} s`} />
      </dl>
      {machines.length === 0 && gpus.length === 0 && <p>No machine changes.</p>}
      <ul className="order-moves">
        {machines.map(({ group, count, to }) => (
          <li key={`${group} ${to}`}>
            <span className="figure">{number(count)}</span> of {group} <span className="muted">({hallOf(group)})</span>{' '}
            {to === 'sleep' ? 'go to sleep' : `to ${to}`}
          </li>
        ))}
        {gpus.map(({ work, interrupted }) => (
          <li key={work} className="tone-warn">
            {plural(Math.round(interrupted), 'GPU')} of {work} interrupted
          </li>
        ))}
        {skipped.map((sentence) => (
          <li key={sentence} className="muted">
            left out: {sentence}
          </li>
        ))}
      </ul>
      {shown.needsSecondPerson && (
        <p className="order-second">Above this site&apos;s limit for one person: a second one must approve it.</p>
      )}
    </section>
  );
}

function Fact({ word, text, detail }: { word: string; text: string; detail?: string | undefined }) {
  return (
    <div>
      <dt>{word}</dt>
      <dd>
        <span className="figure">{text}</span>
        {detail !== undefined && <span className="row-detail figure">{detail}</span>}
      </dd>
    </div>
  );
}

const LONGEST_MINUTES = 48 * 60;

export function CurtailDialog({ overview, onClose }: { overview: Overview; onClose: () => void }) {
  const id = useId();
  const [mw, setMw] = useState('');
  const [minutes, setMinutes] = useState('60');
  const [amount, time] = [Number(mw), Number(minutes)];
  const isOrder = amount > 0 && time > 0 && time <= LONGEST_MINUTES;
  const { importW } = overview.connection;
  return (
    <OrderDialog
      title="Curtail"
      about={`Draw less for a while. The plan chooses how: whatever costs least, miners before work on GPUs. Import is ${power(importW)} now.`}
      overview={overview}
      request={isOrder ? { kind: 'curtail', mw: amount, minutes: time } : undefined}
      onClose={onClose}
      fields={
        <div className="order-fields">
          <div>
            <label htmlFor={`${id}-mw`}>Less by, MW</label>
            <input
              id={`${id}-mw`}
              type="number"
              inputMode="decimal"
              min="0.001"
              step="any"
              required
              value={mw}
              onChange={(event) => setMw(event.target.value)}
            />
          </div>
          <div>
            <label htmlFor={`${id}-minutes`}>For, minutes</label>
            <input
              id={`${id}-minutes`}
              type="number"
              inputMode="numeric"
              min="1"
              max={LONGEST_MINUTES}
              step="any"
              required
              value={minutes}
              onChange={(event) => setMinutes(event.target.value)}
            />
          </div>
        </div>
      }
    />
  );
}

export function StopDialog({ overview, onClose }: { overview: Overview; onClose: () => void }) {
  return (
    <OrderDialog
      title="Safe stop"
      about="Every miner that can sleep does, those that a person holds too, until somebody releases it. Work on GPUs goes on. It waits for no second person and for no meter."
      overview={overview}
      request={{ kind: 'stop' }}
      grave
      onClose={onClose}
    />
  );
}
