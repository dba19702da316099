import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SLURM_USERS } from '../../scripts/slurm/config.ts';
import type { Slurm } from '../../scripts/slurm/start.ts';
import { jobsPage, jobSubmitted, type JobsPage } from '../../src/model/jobs-api.ts';
import { siteMs } from '../../src/model/index.ts';
import { askAs } from '../support/site/ask.ts';
import { CHAT, NO_SUCH_USER, startOnSlurm, TRAINING, type SlurmSite } from '../support/site/on-slurm.ts';
import { until } from '../support/site/until.ts';

const LIMIT = { timeout: 180_000 };
/** Twenty-eight GPUs of training and the two that the chat always has fit below it; not those and all sixteen of the chat. */
const BREAKER_MW = 0.01237;
const TRAININGS = 7;
const GPUS = 4;
const CHAT_GPUS = 16;
/** Requests a second that take every GPU of the chat, and no more than its least. */
const MANY = 27;
const FEW = 1;
/** Trainings that fit beside the whole chat. */
const LEFT = 4;

type Ask = Awaited<ReturnType<typeof askAs>>;

/** A server of Busbar on a real Slurm. Part of slurm.test.ts, as a Slurm is started once. */
export function busbarOnSlurm(slurm: () => Slurm): void {
  describe('a site on it', () => {
    let site: SlurmSite;
    let admin: Ask;
    const trainings: string[] = [];
    const page = async (): Promise<JobsPage> => jobsPage.parse((await admin('GET', '/jobs')).body);
    const submit = async (ask: Ask, name: string, more: object = {}): Promise<string> => {
      const sent = await ask('POST', '/jobs', job(name, { folder: slurm().jobsFolder, ...more }));
      expect(sent.status, JSON.stringify(sent.body)).toBe(201);
      return jobSubmitted.parse(sent.body).id;
    };
    const cancel = async (ids: readonly string[]) => {
      for (const id of ids)
        expect(await admin('POST', `/jobs/hpc/${id}/cancel`, { why: 'a test' })).toMatchObject({ status: 202 });
    };
    const count = async (ids: readonly string[], state: string): Promise<number> =>
      (await page()).jobs.filter((one) => ids.includes(one.id) && one.state === state).length;
    const record = (id: string): Promise<string> => slurm().scontrol('show', 'job', id);
    /** Acts of the planner on jobs. */
    const acts = async (): Promise<string[]> =>
      (await site.runtime.store.acts(500))
        .filter(({ who, what }) => who === 'planner' && / jobs/.test(what))
        .map(({ what }) => what);
    const planned = (classId: string): number => site.plans.at(-1)?.steps[0]?.work[classId] ?? 0;

    beforeAll(async () => {
      site = await startOnSlurm(slurm(), BREAKER_MW);
      admin = await askAs(site, 'ada', 'admin');
      await until('Slurm has told its jobs', () => site.runtime.clusters.byId.get('hpc')!.reading);
    }, 60_000);
    afterAll(async () => site?.close());

    test("a customer's job runs as the customer's own user, and nobody as who they are not", LIMIT, async () => {
      const ann = await askAs(site, 'ann', 'customer', 'acme');
      const out = join(slurm().jobsFolder, 'who.out');
      const id = await submit(ann, 'who', { script: `#!/bin/sh\nid -un > ${out}\n` });
      expect(await record(id)).toMatch(new RegExp(`UserId=${SLURM_USERS.customer}\\(\\d+\\).*Account=acme`, 's'));
      const own = await submit(admin, 'own', { customer: 'acme' });
      expect(await record(own)).toMatch(new RegExp(`UserId=${SLURM_USERS.busbar}\\(`));
      await cancel([own]);
      await until('it has said who it is', () => existsSync(out) && readFileSync(out, 'utf8') !== '');
      expect(readFileSync(out, 'utf8')).toBe(`${SLURM_USERS.customer}\n`);
      const { usage } = site.runtime.clusters.byId.get('hpc')!.handle;
      const since = siteMs(Date.now() - 3_600_000);
      const booked = await until('the accounting has it', async () =>
        (await usage!(since)).find((one) => one.id === id),
      );
      expect(booked).toMatchObject({ user: SLURM_USERS.customer, customer: 'acme' });

      const before = await slurm().scontrol('show', 'jobs', '--oneliner');
      const unknown = await (await askAs(site, 'gus', 'customer', 'globex'))('POST', '/jobs', job('who'));
      const says = new RegExp(`Invalid account.*2045.*; as ${NO_SUCH_USER}, account globex$`);
      expect(unknown).toMatchObject({ status: 409, body: { detail: expect.stringMatching(says) } });
      const another = await (await askAs(site, 'ian', 'customer', 'initech'))('POST', '/jobs', job('who'));
      const notTaken = expect.stringMatching(/does not take the credentials/);
      expect(another).toMatchObject({ status: 502, body: { detail: notTaken } });
      expect((await slurm().scontrol('show', 'jobs', '--oneliner')).split('\n')).toHaveLength(
        before.split('\n').length,
      );
    });

    test('more requests: training gives way to the chat, and comes back when they are fewer', LIMIT, async () => {
      for (let i = 0; i < TRAININGS; i += 1) trainings.push(await submit(admin, `train-${i}`, { customer: 'acme' }));
      await until('all training runs', async () => (await count(trainings, 'running')) === TRAININGS);
      await until('a plan with all of it', () => planned(TRAINING) >= TRAININGS * GPUS - 0.5 && planned(CHAT) > 0);
      expect(planned(CHAT)).toBeLessThan(3);
      expect(await acts()).toEqual([]);

      await site.tell(MANY);
      await until('training waits', async () => (await count(trainings, 'held')) === TRAININGS - LEFT);
      expect(planned(CHAT)).toBe(CHAT_GPUS);
      expect(planned(TRAINING)).toBeLessThan(LEFT * GPUS + 0.5);
      expect(await acts()).toEqual([`requeue ${TRAININGS - LEFT} jobs`]);
      const waiting = (await page()).jobs.filter(({ id, state }) => trainings.includes(id) && state === 'held');
      for (const { id, heldByBusbar } of waiting) {
        expect(heldByBusbar).toBe(true);
        expect(await record(id)).toMatch(/JobState=PENDING Reason=JobHeld.*Restarts=1.*Comment=busbar: waits/s);
      }
      // Whoever scales the chat finds the GPUs kept for it.
      const chats: string[] = [];
      for (let i = 0; i < CHAT_GPUS / GPUS; i += 1)
        chats.push(await submit(admin, `chat-${i}`, { customer: 'acme', class: CHAT }));
      await until('the chat runs', async () => (await count(chats, 'running')) === chats.length);
      expect(await count(trainings, 'running')).toBe(LEFT);

      await cancel(chats);
      await site.tell(FEW);
      await until('all training runs again', async () => (await count(trainings, 'running')) === TRAININGS);
      expect((await acts()).some((what) => what.includes('release'))).toBe(true);
      for (const { id } of waiting) expect(await record(id)).toMatch(/JobState=RUNNING.*Restarts=1/s);
    });

    test('a controller that dies: silent, nothing is lost and nothing told until it is read again', LIMIT, async () => {
      const before = (await acts()).length;
      const started = async () =>
        (await page()).jobs.flatMap(({ id, startedAt }) => (trainings.includes(id) ? [[id, startedAt]] : []));
      const ran = await started();
      // What it has not written down yet it forgets with its process, and its jobs with it: that is between Slurm and its disk.
      const seenMs = Date.now();
      const kept = join(slurm().folder, 'state', 'job_state');
      await slurm().scontrol('update', `jobid=${trainings[0]}`, 'admincomment=written down after all else');
      await until('it has written down what runs', () => statSync(kept).mtimeMs > seenMs);
      await slurm().kill('slurmctld');
      const silent = await until('its silence is told', async () => (await page()).clusters[0]?.failure);
      expect(silent).toMatch(/none of 2 slurmrestd answers/);
      await until('the alarm', () => site.runtime.alarms().some(({ subject }) => subject === 'hpc'));
      await site.tell(MANY);
      await until('a plan that would make training wait', () => planned(CHAT) === CHAT_GPUS);
      expect(planned(TRAINING)).toBeLessThan(LEFT * GPUS + 0.5);
      expect(await started()).toEqual(ran);
      const sent = await admin('POST', '/jobs', job('late', { customer: 'acme' }));
      expect(sent).toMatchObject({ status: 502, body: { title: 'The cluster does not answer' } });
      expect((await acts()).slice(before)).toEqual([]);

      await slurm().start('slurmctld');
      await until('it is heard again', async () => (await page()).clusters[0]?.failure === null);
      await until('training waits', async () => (await count(trainings, 'held')) === TRAININGS - LEFT);
      const stays = (await started()).filter(([, at]) => at !== null);
      expect(stays).toHaveLength(LEFT);
      expect(ran).toEqual(expect.arrayContaining(stays));
      await site.tell(FEW);
      await cancel(trainings);
    });
  });
}

const job = (name: string, more: object = {}): object => ({
  class: TRAINING,
  name,
  script: '#!/bin/sh\nexec sleep 600\n',
  gpus: GPUS,
  timeLimitMinutes: 30,
  why: 'a test',
  ...more,
});
