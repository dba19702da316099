-- A ledger as the release 0.1.0 kept it: its schema, with rows in every table. Never edited: it is what was released.
pragma journal_mode = wal;
create table migration (number integer primary key, at_ms integer not null default (unixepoch() * 1000)) strict;
insert into migration values (1, 1774300000000);
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
insert into meta values ('trust', 'auto'), ('book', '{"at":1774306800000,"wh":1234567890123}'), ('quoted', 'it''s; here');
insert into interval values (1774305900000, 900000, 9000123, 1.0, 34.49, 12, 310410000, 78080000, 9100000, 3);
insert into interval values (1774306800000, 900000, null, 0.9921875, null, null, null, 78080000, null, 0);
insert into interval_line values (1774305900000, 'mining', 7000000, 412345678, 1234.5, 'PHh', 0);
insert into interval_line values (1774305900000, 'ai', 1500000, 98765432109, 2048.0, 'GPUh', 1500000);
insert into interval_line values (1774305900000, 'hpc', null, null, null, 'GPUh', 0);
insert into interval_line values (1774305900000, 'grid', 0, 0, 0.0, 'MWh', 0);
insert into plan values ('plan-1', 1774305900000, '{"id":"plan-1","madeAt":1774305900000,"steps":[]}');
insert into act values ('plan-1', 1774305900000, 'planner', '2 machines to sleep', 'price $95.10/MWh');
insert into act values ('hold-a-s21-1774306000000', 1774306000000, 'owner', 'hold a-s21 out of the plan', 'fans');
insert into command values ('c1', 'plan-1', 'm-1', 'sleep', 'sleep', 'seen-at-meter', 1, null, 1774305900100, 1774305900400, 1774305905000, 1774305910000);
insert into command values ('c2', 'plan-1', 'm-2', 'sleep', 'sleep', 'failed', 3, 'timeout', 1774305900100, null, null, null);
insert into hold values ('a-s21', 'owner', 'fans', 1774306000000);
