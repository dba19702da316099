import type { Generated } from 'kysely';

/** Times are integer milliseconds UTC on the site clock, money integer micro-dollars, energy integer watt-hours. */
export interface Tables {
  meta: { key: string; value: string };
  interval: {
    start_ms: number;
    duration_ms: number;
    import_wh: number | null;
    coverage: number;
    price_usd_per_mwh: number | null;
    unattributed_wh: number | null;
    energy_cost_microusd: number | null;
    lease_cost_microusd: number;
    plan_import_wh: number | null;
    wakes: number;
  };
  interval_line: {
    start_ms: number;
    line: string;
    energy_wh: number | null;
    revenue_microusd: number | null;
    quantity: number | null;
    quantity_unit: string;
    penalty_microusd: number;
  };
  interval_served: { start_ms: number; work_class: string; gpu_hours: number; unserved_gpu_hours: number };
  interval_wanted: { start_ms: number; work_class: string; gpus: number; coverage: number };
  plan: { id: string; made_ms: number; body: string };
  act: { id: string; at_ms: number; who: string; what: string; why: string };
  command: {
    id: string;
    act_id: string;
    target: string;
    action: string;
    mode: string | null;
    stage: string;
    attempts: number;
    fault: string | null;
    sent_ms: number;
    acknowledged_ms: number | null;
    power_ms: number | null;
    meter_ms: number | null;
  };
  /** What quarter-hours would have earned while the site was in shadow. */
  shadow_interval: { start_ms: number; would_import_wh: number | null; would_margin_microusd: number | null };
  /** Chained by hash: `audit.ts`. */
  audit: { seq: number; at_ms: number; act_id: string; body: string; previous: string; hash: string };
  hold: { cohort_id: string; who: string; why: string; since_ms: number };
  account: {
    name: string;
    role: string;
    password_hash: string;
    disabled: number;
    created_ms: number;
    password_ms: number;
    failures: number;
    failed_ms: number | null;
    locked_until_ms: number | null;
    signed_in_ms: number | null;
    tenant: string | null;
  };
  access_session: {
    id: string;
    digest: string;
    account: string | null;
    created_ms: number;
    used_ms: number;
    expires_ms: number;
    address: string;
    agent: string;
  };
  api_token: {
    id: string;
    digest: string;
    account: string;
    name: string;
    role: string;
    tags: string | null;
    created_ms: number;
    expires_ms: number;
    used_ms: number | null;
  };
  migration: { number: number; at_ms: Generated<number> };
}

/** Each entry is applied once, in order, inside a transaction. Never edited after a release; only added to. */
export const MIGRATIONS: readonly string[] = [
  `
  create table meta (key text primary key, value text not null) strict;
  create table interval (
    start_ms integer primary key,
    duration_ms integer not null check (duration_ms > 0),
    import_wh integer,
    coverage real not null check (coverage between 0 and 1),
    price_usd_per_mwh real,
    unattributed_wh integer,
    energy_cost_microusd integer,
    lease_cost_microusd integer not null,
    plan_import_wh integer,
    wakes integer not null
  ) strict;
  create table interval_line (
    start_ms integer not null references interval (start_ms),
    line text not null check (line in ('mining', 'ai', 'hpc', 'grid')),
    energy_wh integer,
    revenue_microusd integer,
    quantity real,
    quantity_unit text not null,
    penalty_microusd integer not null,
    primary key (start_ms, line)
  ) strict, without rowid;
  create table plan (id text primary key, made_ms integer not null, body text not null) strict;
  create index plan_by_time on plan (made_ms);
  create table act (
    id text primary key,
    at_ms integer not null,
    who text not null check (who <> ''),
    what text not null check (what <> ''),
    why text not null check (why <> '')
  ) strict;
  create index act_by_time on act (at_ms);
  create table command (
    id text primary key,
    act_id text not null references act (id),
    target text not null,
    action text not null,
    mode text,
    stage text not null,
    attempts integer not null,
    fault text,
    sent_ms integer not null,
    acknowledged_ms integer,
    power_ms integer,
    meter_ms integer
  ) strict;
  create index command_by_act on command (act_id, stage);
  create table hold (cohort_id text primary key, who text not null, why text not null, since_ms integer not null) strict;
  `,
  // Access. Times of these three are Unix milliseconds: a session must not age faster on a fast site clock.
  `
  create table account (
    name text primary key check (name = lower(name) and name <> ''),
    role text not null check (role in ('viewer', 'operator', 'admin')),
    password_hash text not null,
    disabled integer not null check (disabled in (0, 1)),
    created_ms integer not null,
    password_ms integer not null,
    failures integer not null check (failures >= 0),
    failed_ms integer,
    locked_until_ms integer,
    signed_in_ms integer
  ) strict;
  create table access_session (
    id text primary key,
    digest text not null unique,
    account text references account (name) on delete cascade,
    created_ms integer not null,
    used_ms integer not null,
    expires_ms integer not null,
    address text not null,
    agent text not null
  ) strict;
  create index access_session_by_account on access_session (account);
  create table api_token (
    id text primary key,
    digest text not null unique,
    account text not null references account (name) on delete cascade,
    name text not null,
    role text not null check (role in ('viewer', 'operator', 'admin')),
    tags text,
    created_ms integer not null,
    expires_ms integer not null,
    used_ms integer,
    unique (account, name)
  ) strict;
  `,
  `
  create table shadow_interval (
    start_ms integer primary key,
    would_import_wh integer,
    would_margin_microusd integer
  ) strict;
  `,
  `
  create table interval_served (
    start_ms integer not null references interval (start_ms),
    work_class text not null,
    gpu_hours real not null,
    unserved_gpu_hours real not null,
    primary key (start_ms, work_class)
  ) strict, without rowid;
  `,
  `
  create table audit (
    seq integer primary key,
    at_ms integer not null,
    act_id text not null,
    body text not null,
    previous text not null,
    hash text not null unique
  ) strict;
  create index audit_by_act on audit (act_id);
  create trigger audit_is_not_changed before update on audit begin select raise(abort, 'the audit log is only added to'); end;
  create trigger audit_is_not_cut before delete on audit begin select raise(abort, 'the audit log is only added to'); end;
  `,
  `
  create table interval_wanted (
    start_ms integer not null references interval (start_ms),
    work_class text not null,
    gpus real not null check (gpus >= 0),
    coverage real not null check (coverage > 0 and coverage <= 1),
    primary key (start_ms, work_class)
  ) strict, without rowid;
  `,
  // Customers. A check cannot be changed in place; children go before their parent, so that nothing cascades.
  `
  create table account_of_2 (
    name text primary key check (name = lower(name) and name <> ''),
    role text not null check (role in ('customer', 'viewer', 'operator', 'admin')),
    password_hash text not null,
    disabled integer not null check (disabled in (0, 1)),
    created_ms integer not null,
    password_ms integer not null,
    failures integer not null check (failures >= 0),
    failed_ms integer,
    locked_until_ms integer,
    signed_in_ms integer,
    tenant text,
    check ((role = 'customer') = (tenant is not null))
  ) strict;
  insert into account_of_2 select *, null from account;
  create table access_session_of_2 (
    id text primary key,
    digest text not null unique,
    account text references account_of_2 (name) on delete cascade,
    created_ms integer not null,
    used_ms integer not null,
    expires_ms integer not null,
    address text not null,
    agent text not null
  ) strict;
  insert into access_session_of_2 select * from access_session;
  create table api_token_of_2 (
    id text primary key,
    digest text not null unique,
    account text not null references account_of_2 (name) on delete cascade,
    name text not null,
    role text not null check (role in ('customer', 'viewer', 'operator', 'admin')),
    tags text,
    created_ms integer not null,
    expires_ms integer not null,
    used_ms integer,
    unique (account, name)
  ) strict;
  insert into api_token_of_2 select * from api_token;
  drop table access_session;
  drop table api_token;
  drop table account;
  alter table account_of_2 rename to account;
  alter table access_session_of_2 rename to access_session;
  alter table api_token_of_2 rename to api_token;
  create index access_session_by_account on access_session (account);
  `,
];
