import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useState, type ReactNode } from 'react';
import type { z } from 'zod';
import type { ClusterJobView, jobOutput, jobSubmitted } from '../../../src/model/jobs-api.ts';
import type { TenantView } from '../../../src/model/tenants-api.ts';
import { Asked, Failed } from '../account-parts.tsx';
import { clockTime, calendarDay, money, number } from '../format.ts';
import { api } from '../http.ts';
import { Card, Empty, Figure } from '../parts.tsx';
import { plural } from '../verdict.ts';
import { useJobs } from './data.ts';

const ENDED: readonly string[] = ['done', 'failed', 'cancelled'];
const pathOf = ({ cluster, id }: ClusterJobView): string =>
  `/jobs/${encodeURIComponent(cluster)}/${encodeURIComponent(id)}`;

const STATE_WORDS: Readonly<Record<ClusterJobView['state'], string>> = {
  pending: 'waits',
  held: 'held',
  running: 'runs',
  paused: 'paused by the site',
  ending: 'ends',
  done: 'done',
  failed: 'failed',
  cancelled: 'cancelled',
};

export function JobsCard({ tenant }: { tenant: TenantView }) {
  const query = useJobs();
  const [asked, setAsked] = useState(false);
  const [open, setOpen] = useState<{ job: ClusterJobView; what: 'logs' | 'cancel' }>();
  const classes = tenant.classes.filter(({ canSubmit }) => canSubmit);
  const reason =
    tenant.projects.length === 0
      ? 'Your account is a member of no project'
      : classes.length === 0
        ? 'The site has not said as which user your jobs run: ask it for that'
        : undefined;
  return (
    <Card
      id="jobs"
      title="Jobs"
      aside={
        <button
          type="button"
          className="button primary"
          disabled={reason !== undefined}
          title={reason}
          onClick={() => setAsked(true)}
        >
          Submit a job…
        </button>
      }
    >
      <Asked query={query}>
        {({ jobs, clusters }) => (
          <>
            {jobs.length === 0 ? (
              <Empty title="No job runs or waits">{reason ?? 'Submit one here, or with busbar job submit.'}</Empty>
            ) : (
              <JobTable jobs={jobs} tenant={tenant} onOpen={setOpen} />
            )}
            {clusters
              .filter(({ failure }) => failure !== null)
              .map(({ id, failure }) => (
                <p key={id} className="row-detail">
                  {id}: {failure}.
                </p>
              ))}
          </>
        )}
      </Asked>
      {asked && <SubmitDialog tenant={tenant} onClose={() => setAsked(false)} />}
      {open?.what === 'logs' && <LogsDialog job={open.job} onClose={() => setOpen(undefined)} />}
      {open?.what === 'cancel' && <CancelDialog job={open.job} onClose={() => setOpen(undefined)} />}
    </Card>
  );
}

const MOST_SHOWN = 60;

function JobTable({
  jobs,
  tenant,
  onOpen,
}: {
  jobs: readonly ClusterJobView[];
  tenant: TenantView;
  onOpen: (open: { job: ClusterJobView; what: 'logs' | 'cancel' }) => void;
}) {
  const projects = new Map(tenant.projects.map(({ account, id }) => [account, id]));
  const isOver = (job: ClusterJobView) => ENDED.includes(job.state);
  const sorted = jobs.toSorted(
    (a, b) => Number(isOver(a)) - Number(isOver(b)) || (b.submittedAt ?? '').localeCompare(a.submittedAt ?? ''),
  );
  return (
    <>
      <table className="list jobs">
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">State</th>
            <th scope="col" className="num">
              GPUs
            </th>
            <th scope="col">Since</th>
            <th scope="col">
              <span className="sr-only">Acts</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, MOST_SHOWN).map((job) => {
            const since = job.endedAt ?? job.startedAt ?? job.submittedAt;
            return (
              <tr key={`${job.cluster} ${job.id}`} className={isOver(job) ? 'is-over' : ''}>
                <th scope="row">
                  {job.name}
                  <span className="row-detail">
                    {job.cluster}/{job.id}, {projects.get(job.customer) ?? job.customer}, {job.class}
                    {job.nodes.length > 0 && !isOver(job) && `, on ${job.nodes.join(', ')}`}
                  </span>
                </th>
                <td data-label="State">
                  <span className={`job-state is-${job.state}`}>
                    {STATE_WORDS[job.state]}
                    {job.heldByBusbar && ' for now'}
                  </span>
                  {job.why !== null && <span className="row-detail">{job.why}</span>}
                </td>
                <td className="num" data-label="GPUs">
                  {number(job.gpus)}
                </td>
                <td data-label="Since">
                  <Figure text={since === null ? 'unknown' : clockTime(since)} />
                  {since !== null && <span className="row-detail">{calendarDay(since)}, UTC</span>}
                </td>
                <td className="job-acts">
                  <button
                    type="button"
                    className="button quiet"
                    aria-label={`Logs of ${job.name}`}
                    onClick={() => onOpen({ job, what: 'logs' })}
                  >
                    Logs
                  </button>
                  {!isOver(job) && (
                    <button
                      type="button"
                      className="button"
                      aria-label={`Cancel ${job.name}`}
                      onClick={() => onOpen({ job, what: 'cancel' })}
                    >
                      Cancel
                    </button>
                  )}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {sorted.length > MOST_SHOWN && (
        <p className="row-detail">{plural(sorted.length - MOST_SHOWN, 'older job')} not shown: busbar job list --all</p>
      )}
    </>
  );
}

function Frame({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog job-dialog" aria-describedby={undefined}>
          <Dialog.Title>{title}</Dialog.Title>
          {children}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function LogsDialog({ job, onClose }: { job: ClusterJobView; onClose: () => void }) {
  const query = useQuery({
    queryKey: ['customer', 'output', job.cluster, job.id],
    queryFn: ({ signal }) => api<z.infer<typeof jobOutput>>(`${pathOf(job)}/output`, { signal }),
    refetchInterval: ENDED.includes(job.state) ? false : 3_000,
  });
  return (
    <Frame title={`What ${job.name} has written`} onClose={onClose}>
      <Asked query={query}>
        {({ output }) => <pre className="job-output">{output === '' ? 'Nothing yet.' : output}</pre>}
      </Asked>
      <div className="dialog-foot">
        <Dialog.Close className="button">Close</Dialog.Close>
      </div>
    </Frame>
  );
}

const MIN_WHY = 3;

function CancelDialog({ job, onClose }: { job: ClusterJobView; onClose: () => void }) {
  const client = useQueryClient();
  const [why, setWhy] = useState('');
  const send = useMutation({
    mutationFn: () => api(`${pathOf(job)}/cancel`, { method: 'POST', body: { why: why.trim() } }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['customer'] });
      onClose();
    },
  });
  const missing = why.trim().length < MIN_WHY;
  return (
    <Frame title={`End ${job.name}?`} onClose={onClose}>
      <form
        className="account-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!missing) send.mutate();
        }}
      >
        <label htmlFor="cancel-why">Why</label>
        <input id="cancel-why" value={why} maxLength={200} onChange={(event) => setWhy(event.target.value)} />
        <Failed error={send.error} />
        <div className="dialog-foot">
          <Dialog.Close className="button quiet">Leave it</Dialog.Close>
          <button
            type="submit"
            className="button primary"
            disabled={missing || send.isPending}
            title={missing ? 'Say why first' : undefined}
          >
            End it
          </button>
        </div>
      </form>
    </Frame>
  );
}

const EXAMPLE = '#!/bin/sh\n';

function SubmitDialog({ tenant, onClose }: { tenant: TenantView; onClose: () => void }) {
  const client = useQueryClient();
  const classes = tenant.classes.filter(({ canSubmit }) => canSubmit);
  const [form, setForm] = useState({
    project: tenant.projects[0]?.id ?? '',
    class: classes[0]?.id ?? '',
    name: '',
    gpus: 1,
    timeLimitMinutes: 60,
    script: EXAMPLE,
    why: '',
  });
  const set = (more: Partial<typeof form>) => setForm({ ...form, ...more });
  const send = useMutation({
    mutationFn: () =>
      api<z.infer<typeof jobSubmitted>>('/jobs', {
        method: 'POST',
        body: { ...form, name: form.name.trim(), why: form.why.trim() },
      }),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['customer'] });
      onClose();
    },
  });
  const reason =
    form.name.trim() === ''
      ? 'Give it a name first'
      : !form.script.startsWith('#!')
        ? 'The first line of the script begins with #!'
        : form.why.trim().length < MIN_WHY
          ? 'Say why first'
          : undefined;
  const work = classes.find(({ id }) => id === form.class);
  const price = work?.usdPerGpuHour ?? null;
  const atMost = price === null ? undefined : (price * form.gpus * form.timeLimitMinutes) / 60;
  return (
    <Frame title="Submit a job" onClose={onClose}>
      <form
        className="account-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (reason === undefined) send.mutate();
        }}
      >
        <div className="account-fields">
          <label>
            Project
            <select value={form.project} onChange={(event) => set({ project: event.target.value })}>
              {tenant.projects.map(({ id }) => (
                <option key={id}>{id}</option>
              ))}
            </select>
          </label>
          <label>
            Class of work
            <select value={form.class} onChange={(event) => set({ class: event.target.value })}>
              {classes.map(({ id, gpu, usdPerGpuHour }) => (
                <option key={id} value={id}>
                  {id}, {gpu}
                  {usdPerGpuHour === null ? '' : `, ${money(usdPerGpuHour, 2)} a GPU-hour`}
                </option>
              ))}
            </select>
          </label>
        </div>
        <div className="account-fields">
          <label>
            Name
            <input
              value={form.name}
              maxLength={64}
              placeholder="nightly run"
              onChange={(event) => set({ name: event.target.value })}
            />
          </label>
          <label>
            GPUs
            <input
              type="number"
              min={0}
              required
              value={form.gpus}
              onChange={(event) => set({ gpus: event.target.valueAsNumber })}
            />
          </label>
          <label>
            Minutes at most
            <input
              type="number"
              min={1}
              required
              value={form.timeLimitMinutes}
              onChange={(event) => set({ timeLimitMinutes: event.target.valueAsNumber })}
            />
          </label>
        </div>
        <label htmlFor="job-script">Script</label>
        <textarea
          id="job-script"
          className="job-script"
          rows={8}
          spellCheck={false}
          value={form.script}
          onChange={(event) => set({ script: event.target.value })}
        />
        <label htmlFor="job-why">Why</label>
        <input id="job-why" value={form.why} maxLength={200} onChange={(event) => set({ why: event.target.value })} />
        <p className="row-detail">
          {atMost === undefined || Number.isNaN(atMost)
            ? 'What it costs is not known now.'
            : `At most ${money(atMost, 2)} at the price of now, if it runs to its limit.`}
        </p>
        <Failed error={send.error} />
        <div className="dialog-foot">
          <Dialog.Close className="button quiet">Cancel</Dialog.Close>
          <button
            type="submit"
            className="button primary"
            disabled={reason !== undefined || send.isPending}
            title={reason}
          >
            {send.isPending ? 'Sending…' : 'Submit'}
          </button>
        </div>
      </form>
    </Frame>
  );
}
