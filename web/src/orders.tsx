import { useState } from 'react';
import type { Overview, Session } from '../../src/model/api.ts';
import type { OrderState } from '../../src/model/orders-api.ts';
import { whyNot } from './cohorts.tsx';
import { useOrders } from './data.ts';
import { Progress } from './events.tsx';
import { clockTime, known, number, power, powerChange } from './format.ts';
import { shellQuoted } from './hold-dialog.tsx';
import { api, explain } from './http.ts';
import { CurtailDialog, StopDialog } from './order-dialog.tsx';
import { Card, ToneMark, Trouble } from './parts.tsx';
import { WhyDialog } from './why-dialog.tsx';

const IN_SHADOW = 'In shadow nothing is written: an admin raises the site first';

/** Why no order may be given; undefined where it may. */
function refusal({ site }: Overview, session: Session | undefined, old: boolean): string | undefined {
  return whyNot(session, old) ?? (site.trust === 'shadow' ? IN_SHADOW : undefined);
}

/** The safe-stop key: always in sight, apart from all else, and one more step from what it does. With figures that are old it still tries. */
export function SafeStop({ overview, session }: { overview: Overview; session: Session | undefined }) {
  const [open, setOpen] = useState(false);
  const why = refusal(overview, session, false);
  return (
    <>
      <button
        type="button"
        className="button safe-stop"
        disabled={why !== undefined}
        title={why ?? 'Every miner sleeps: shows what that does, and asks'}
        onClick={() => setOpen(true)}
      >
        Safe stop…
      </button>
      {open && <StopDialog overview={overview} onClose={() => setOpen(false)} />}
    </>
  );
}

const OVER_SHOWN = 3;

/** What people told the whole site to do: Curtail, what is in force and how far it is, and what waits for a second person. */
export function OrdersSection({
  overview,
  session,
  old,
}: {
  overview: Overview;
  session: Session | undefined;
  old: boolean;
}) {
  const [curtailing, setCurtailing] = useState(false);
  const page = useOrders();
  const why = refusal(overview, session, old);
  const orders = page.data?.orders ?? [];
  const open = orders.filter(({ state }) => state !== 'over');
  const over = orders.filter(({ state }) => state === 'over').slice(0, OVER_SHOWN);
  return (
    <Card
      id="orders"
      title="Orders"
      className={open.length > 0 ? 'has-orders' : ''}
      aside={
        <button
          type="button"
          className="button"
          disabled={why !== undefined}
          title={why}
          onClick={() => setCurtailing(true)}
        >
          Curtail…
        </button>
      }
    >
      {page.error !== null && <Trouble {...explain(page.error)} onRetry={() => void page.refetch()} />}
      {page.isSuccess && open.length === 0 && (
        <p className="muted">
          No order is in force: the plan decides what draws power.{why !== undefined && ` ${why}.`}
        </p>
      )}
      {open.length > 0 && (
        <ul className="orders">
          {open.map((order) => (
            <OpenOrder key={order.id} order={order} session={session} reason={whyNot(session, old)} />
          ))}
        </ul>
      )}
      {over.length > 0 && (
        <details className="orders-over">
          <summary>{number(over.length)} that are over</summary>
          <ul>
            {over.map((order) => (
              <li key={order.id}>
                {titleOf(order)}{' '}
                <span className="muted">
                  by {order.who}: {order.why}
                </span>
                <span className="row-detail">over: {order.ended ?? 'unknown'}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {curtailing && <CurtailDialog overview={overview} onClose={() => setCurtailing(false)} />}
    </Card>
  );
}

const titleOf = ({ kind, firmW, until }: OrderState): string =>
  kind === 'stop' ? 'Safe stop' : `Curtail to ${power(firmW)}${until === null ? '' : ` until ${clockTime(until)} UTC`}`;

function OpenOrder({
  order,
  session,
  reason,
}: {
  order: OrderState;
  session: Session | undefined;
  reason: string | undefined;
}) {
  const [asking, setAsking] = useState<'release' | 'approve'>();
  const isAsked = order.state === 'asked';
  const own = isAsked && session?.who === order.who ? 'It takes a second person' : undefined;
  return (
    <li>
      <div className="order-head">
        <div>
          <p className="order-title">
            <ToneMark tone={isAsked ? 'warn' : 'move'} /> {titleOf(order)}
            <span className="tag">{isAsked ? 'waits for a second person' : 'in force'}</span>
          </p>
          <p className="row-detail">
            by {order.who}
            {order.approvedBy !== null && `, approved by ${order.approvedBy}`}: {order.why}
          </p>
        </div>
        <div className="order-acts">
          {isAsked && (
            <button
              type="button"
              className="button primary"
              disabled={reason !== undefined || own !== undefined}
              title={reason ?? own}
              onClick={() => setAsking('approve')}
            >
              Approve
            </button>
          )}
          <button
            type="button"
            className="button"
            disabled={reason !== undefined}
            title={reason}
            onClick={() => setAsking('release')}
          >
            {isAsked ? 'Take back' : 'Release'}
          </button>
        </div>
      </div>
      {!isAsked && <OrderProgress order={order} />}
      {asking === 'release' && <ReleaseDialog order={order} onClose={() => setAsking(undefined)} />}
      {asking === 'approve' && <ApproveDialog order={order} onClose={() => setAsking(undefined)} />}
    </li>
  );
}

const FAILED_SHOWN = 5;

/** By stage, as commands get on, and at the meter: what machines say is not what was delivered. */
function OrderProgress({ order }: { order: OrderState }) {
  const { stages, wanted, seen, failed } = order.machines;
  const told = Object.values(stages).reduce((sum, n) => sum + n, 0);
  return (
    <div className="order-progress">
      <Progress byStage={stages} commands={told} />
      <p className="row-detail" role="status">
        {number(seen)} of {number(wanted)} miners seen as wanted.{' '}
        {known(order.deliveredW) ? (
          <>
            At the feeder meter: {power(order.beforeW)} to {power(order.importW)}, {powerChange(-order.deliveredW)}.
          </>
        ) : (
          'Delivered: unknown, as the feeder meter is or was silent.'
        )}
      </p>
      {failed.length > 0 && (
        <ul className="order-failed">
          {failed.slice(0, FAILED_SHOWN).map(({ id, why }) => (
            <li key={id} className="tone-fault">
              {id} failed: {why}
            </li>
          ))}
          {failed.length > FAILED_SHOWN && <li className="muted">and {number(failed.length - FAILED_SHOWN)} more</li>}
        </ul>
      )}
    </div>
  );
}

function ReleaseDialog({ order, onClose }: { order: OrderState; onClose: () => void }) {
  const isAsked = order.state === 'asked';
  return (
    <WhyDialog
      title={isAsked ? 'Take the order back' : 'Release the order'}
      about={`${titleOf(order)}, by ${order.who}. ${isAsked ? 'It is asked for, and nothing was done yet.' : 'The plan has the machines back at once; waking takes as long as the site lets it.'}`}
      placeholder="The event is over"
      equivalent={{
        summary: 'The same on the command line',
        text: (why) => `busbar release ${order.id} --why ${shellQuoted(why === '' ? '…' : why)}`,
      }}
      word={isAsked ? 'Take back' : 'Release'}
      act={(why) => api<unknown>(`/orders/${encodeURIComponent(order.id)}/release`, { method: 'POST', body: { why } })}
      onClose={onClose}
    />
  );
}

function ApproveDialog({ order, onClose }: { order: OrderState; onClose: () => void }) {
  return (
    <WhyDialog
      title="Approve the order"
      about={`${titleOf(order)}, asked for by ${order.who}: ${order.why}. It is carried out at once.`}
      placeholder="Agreed with the utility"
      equivalent={{
        summary: 'The same on the command line',
        text: (why) => `busbar approve ${order.id} --why ${shellQuoted(why === '' ? '…' : why)}`,
      }}
      word="Approve"
      act={(why) => api<unknown>('/orders', { method: 'POST', body: { preview: order.id, why } })}
      onClose={onClose}
    />
  );
}
