import { useState } from 'react';
import type { Overview, Session } from '../../src/model/api.ts';
import type { NodeMoveView, NodesPage } from '../../src/model/nodes-api.ts';
import { whyNot } from './cohorts.tsx';
import { useNodes } from './data.ts';
import { money, number } from './format.ts';
import { shellQuoted } from './hold-dialog.tsx';
import { api, explain } from './http.ts';
import { Card, Trouble } from './parts.tsx';
import { plural } from './verdict.ts';
import { WhyDialog } from './why-dialog.tsx';

type Node = NodesPage['nodes'][number];

interface RoleRow {
  readonly key: string;
  readonly cluster: string;
  readonly role: string;
  readonly gpuModel: string | null;
  readonly nodes: readonly Node[];
}

/** What nodes of clusters are used for, where the site file gives them roles; a person moves them here. */
export function NodesSection({
  overview,
  session,
  old,
}: {
  overview: Overview;
  session: Session | undefined;
  old: boolean;
}) {
  const page = useNodes(overview.work.length > 0);
  const [open, setOpen] = useState<
    { readonly kind: 'move' } | { readonly kind: 'back'; readonly move: NodeMoveView }
  >();
  const { clusters = [], nodes = [], moves = [], proposal = null } = page.data ?? {};
  const withRoles = clusters.filter(({ roles }) => roles.length > 0);
  if (withRoles.length === 0) return null;
  const reason = withRoles.some(({ canMove }) => canMove)
    ? whyNot(session, old)
    : 'The cluster moves no nodes from here: docs/clusters.md says what it takes';
  const underWay = moves.filter(isUnderWay);
  const lately = moves.filter((move) => !isUnderWay(move)).slice(0, 3);
  return (
    <Card
      id="nodes"
      title="Roles of nodes"
      aside={
        <button
          type="button"
          className="button"
          disabled={reason !== undefined}
          title={reason}
          onClick={() => setOpen({ kind: 'move' })}
        >
          Move a node…
        </button>
      }
    >
      {page.error !== null && <Trouble {...explain(page.error)} onRetry={() => void page.refetch()} />}
      <table className="list nodes">
        <thead>
          <tr>
            <th scope="col">Role</th>
            <th scope="col">
              <span className="sr-only">GPUs in use as a bar</span>
            </th>
            {['Nodes', 'GPUs', 'In use', 'Out'].map((word) => (
              <th key={word} scope="col" className="num">
                {word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rowsOf(withRoles, nodes).map((row) => (
            <Row key={row.key} row={row} isOne={withRoles.length === 1} />
          ))}
        </tbody>
      </table>
      {proposal !== null && (
        <p className="node-note">
          <strong>By the plan</strong> {proposal.why}.{' '}
          <span className="muted">Net {money(proposal.gainUsd - proposal.costUsd, 2)}; a site in auto does it.</span>
        </p>
      )}
      {(underWay.length > 0 || lately.length > 0) && (
        <ul className="suggestions" aria-live="polite">
          {[...underWay, ...lately].map((move) => (
            <MoveRow key={move.id} move={move} reason={reason} onBack={() => setOpen({ kind: 'back', move })} />
          ))}
        </ul>
      )}
      {open?.kind === 'move' && page.data !== undefined && (
        <MoveDialog page={page.data} onClose={() => setOpen(undefined)} />
      )}
      {open?.kind === 'back' && <BackDialog move={open.move} onClose={() => setOpen(undefined)} />}
    </Card>
  );
}

const isUnderWay = ({ stage }: NodeMoveView): boolean => !['done', 'failed', 'cancelled'].includes(stage);
const isOut = ({ state }: Node): boolean => state === 'down' || state === 'drained' || state === 'unknown';

function rowsOf(clusters: NodesPage['clusters'], nodes: readonly Node[]): RoleRow[] {
  return clusters.flatMap(({ id, roles }) =>
    roles.flatMap(({ id: role }): RoleRow[] => {
      const mine = nodes.filter((node) => node.cluster === id && node.role === role);
      const models = [...new Set(mine.map(({ gpuModel }) => gpuModel))];
      const rows = models.map((gpuModel) => ({
        key: `${id} ${role} ${gpuModel}`,
        cluster: id,
        role,
        gpuModel,
        nodes: mine.filter((node) => node.gpuModel === gpuModel),
      }));
      return rows.length > 0 ? rows : [{ key: `${id} ${role}`, cluster: id, role, gpuModel: null, nodes: [] }];
    }),
  );
}

function Row({ row: { cluster, role, gpuModel, nodes }, isOne }: { row: RoleRow; isOne: boolean }) {
  const gpus = nodes.reduce((sum, node) => sum + node.gpus, 0);
  const used = nodes.reduce((sum, node) => sum + node.gpusUsed, 0);
  const out = nodes.filter(isOut).length;
  const label = `${number(used)} of ${number(gpus)} GPUs in use`;
  return (
    <tr>
      <th scope="row">
        {role}
        <span className="row-detail">
          {isOne ? '' : `${cluster}, `}
          {nodes.length === 0 ? 'no node' : (gpuModel ?? 'no GPU')}
        </span>
      </th>
      <td className="gpu-cell">
        {gpus > 0 && (
          <span className="gpu-bar" role="img" aria-label={label} title={label}>
            <span className="gpu-running fill-ai" style={{ width: `${(used / gpus) * 100}%` }} />
          </span>
        )}
      </td>
      <td className="num" data-label="Nodes">
        {number(nodes.length)}
      </td>
      <td className="num" data-label="GPUs">
        {number(gpus)}
      </td>
      <td className="num" data-label="In use">
        {number(used)}
      </td>
      <td className={out > 0 ? 'num text-degraded' : 'num'} data-label="Out" title="Drained, down or unknown">
        {out === 0 ? <span className="muted">none</span> : number(out)}
      </td>
    </tr>
  );
}

const STAGE_WORDS: Readonly<Record<NodeMoveView['stage'], string>> = {
  asked: 'begins',
  draining: 'its jobs end',
  verifying: 'moved, looked at',
  returning: 'given back',
  'going-back': 'goes back',
  done: 'done',
  failed: 'failed',
  cancelled: 'called off',
};

function MoveRow({ move, reason, onBack }: { move: NodeMoveView; reason: string | undefined; onBack: () => void }) {
  const { cluster, node, from, to, stage, told, who, why } = move;
  return (
    <li className={isUnderWay(move) ? '' : 'muted'}>
      <div className="suggestion-what">
        <p>
          <strong>
            {cluster}/{node}
          </strong>{' '}
          from {from} to {to}: <span className={stage === 'failed' ? 'text-degraded' : ''}>{STAGE_WORDS[stage]}</span>
          {told === null ? '' : `, ${told}`}
        </p>
        <p className="row-detail">
          by {who}: {why}
        </p>
      </div>
      {(stage === 'asked' || stage === 'draining') && (
        <button type="button" className="button" disabled={reason !== undefined} title={reason} onClick={onBack}>
          Call back…
        </button>
      )}
    </li>
  );
}

/** Idle ones first: they move at once. */
const movable = (page: NodesPage): Node[] =>
  page.nodes
    .filter((node) => node.role !== null && node.move === null && !isOut(node))
    .filter((node) => page.clusters.some(({ id, canMove }) => id === node.cluster && canMove))
    .toSorted((a, b) => a.gpusUsed - b.gpusUsed || a.name.localeCompare(b.name));

function MoveDialog({ page, onClose }: { page: NodesPage; onClose: () => void }) {
  const [nodes] = useState(() => movable(page));
  const [at, setAt] = useState(0);
  const node = nodes[at];
  const cluster = page.clusters.find(({ id }) => id === node?.cluster);
  const others = (cluster?.roles ?? []).filter(({ id }) => id !== node?.role);
  const [wanted, setWanted] = useState<string>();
  const to = others.find(({ id }) => id === wanted)?.id ?? others[0]?.id ?? '';
  const address = node === undefined ? '' : `${node.cluster}/${node.name}`;
  return (
    <WhyDialog
      title="Move a node"
      about={node === undefined ? 'No node can be moved now.' : takes(node, cluster?.drainMinutes ?? 0)}
      placeholder="The launch on Monday needs it"
      equivalent={{
        summary: 'The same on the command line',
        text: (why) => `busbar node move ${address} --to ${to} --why ${shellQuoted(why === '' ? '…' : why)}`,
      }}
      word="Move"
      act={(why) =>
        api<unknown>(`/nodes/${encodeURIComponent(node?.cluster ?? '')}/${encodeURIComponent(node?.name ?? '')}/move`, {
          method: 'POST',
          body: { to, why },
        })
      }
      onClose={onClose}
    >
      <label htmlFor="node-to-move">Node</label>
      <select id="node-to-move" value={at} onChange={(event) => setAt(Number(event.target.value))}>
        {nodes.map((one, i) => (
          <option key={`${one.cluster}/${one.name}`} value={i}>
            {one.cluster}/{one.name}, {one.role},{' '}
            {one.gpusUsed === 0 ? 'idle' : `${one.gpusUsed} of ${one.gpus} GPUs in use`}
          </option>
        ))}
      </select>
      <label htmlFor="node-role">To</label>
      <select id="node-role" value={to} onChange={(event) => setWanted(event.target.value)}>
        {others.map(({ id }) => (
          <option key={id}>{id}</option>
        ))}
      </select>
    </WhyDialog>
  );
}

/** What a move takes, before anybody says yes. */
function takes({ jobs }: Node, drainMinutes: number): string {
  const giveWay = jobs.filter(({ mayInterrupt }) => mayInterrupt).length;
  const stay = jobs.length - giveWay;
  if (jobs.length === 0) return 'Nothing runs on it: it is drained, moved, looked at and given back at once.';
  const parts = [
    giveWay === 0
      ? ''
      : `${plural(giveWay, 'job')} may end within ${number(drainMinutes)} min, then goes back in the queue`,
    stay === 0 ? '' : `${plural(stay, 'job')} may not be interrupted and is waited for`,
  ];
  return `${parts.filter((part) => part !== '').join('; ')}. Then it is moved, looked at and given back.`;
}

function BackDialog({ move, onClose }: { move: NodeMoveView; onClose: () => void }) {
  const { cluster, node, from } = move;
  return (
    <WhyDialog
      title={`Call ${node} back`}
      about={`It starts jobs again in ${from}. Jobs that were put back in the queue for it stay there until they start again.`}
      placeholder="Not needed after all"
      equivalent={{
        summary: 'The same on the command line',
        text: (why) => `busbar node call-back ${cluster}/${node} --why ${shellQuoted(why === '' ? '…' : why)}`,
      }}
      word="Call back"
      act={(why) =>
        api<unknown>(`/nodes/${encodeURIComponent(cluster)}/${encodeURIComponent(node)}/call-back`, {
          method: 'POST',
          body: { why },
        })
      }
      onClose={onClose}
    />
  );
}
