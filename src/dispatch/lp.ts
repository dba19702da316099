import { type Columns, type Constraint } from './constraint.ts';
import { constraints as allConstraints } from './constraints/index.ts';
import { createModel, type Model } from './model-builder.ts';
import { type Problem, undecidedW } from './problem.ts';
import { fixedUsd } from './shape.ts';

export interface LinearProgram {
  readonly model: Model;
  readonly columns: Columns;
  /** Money no decision changes: the block, bought at its price and settled at real time. */
  readonly offsetUsd: number;
}

/**
 * The linear program of a problem, to be maximised in $. Values and costs of the decisions stand on their columns
 * here; every limit and every price of a contract is a constraint of its own.
 *
 * The block is bought whatever happens and settled at real time, so a further watt costs the real-time price whether
 * it is bought above the block or kept from being sold out of it: import is priced at real time throughout, and the
 * block is a constant. Powers are in MW so that coefficients stay near one.
 *
 * @param constraints all of the folder unless a test wants fewer.
 */
export function buildLp(problem: Problem, constraints: readonly Constraint[] = allConstraints): LinearProgram {
  const model = createModel();
  const columns = decisionColumns(model, problem);
  powerRows(model, problem, columns);
  for (const constraint of constraints) constraint.add(model, { problem, columns });
  return { model, columns, offsetUsd: fixedUsd(problem) };
}

function decisionColumns(model: Model, problem: Problem): Columns {
  const { steps, halls, cohorts, work, generators } = problem;
  const { exportLimitW, exportAdderUsdPerMwh = 0 } = problem.snapshot.connection;
  const perHall = (what: string, start: number): number[] =>
    halls.map((hall) => model.column([what, hall.id, start], 0, 0, Infinity));
  const rows = steps.map(({ facts: { start, priceUsdPerMwh }, hours, usdPerThHour, availableW }) => ({
    machines: cohorts.map(({ facts, modes, modeNames, now, pinned }) =>
      modes.map((mode, m) => {
        const most = mode.offered ? facts.machines : facts.held ? now[m]! : pinned[m]!;
        const usd = hours * usdPerThHour * mode.hashrateThs;
        return model.column(['machines', modeNames[m]!, start], usd, 0, most);
      }),
    ),
    wakes: cohorts.map(({ facts }) => model.column(['wakes', facts.id, start], 0, 0, Infinity)),
    gpus: work.map(({ facts }) => model.column(['gpus', facts.id, start], hours * facts.usdPerGpuHour, 0, Infinity)),
    itMw: perHall('it', start),
    coolingMw: perHall('cooling', start),
    importMw: model.column(['import', '', start], -hours * priceUsdPerMwh, 0, Infinity),
    // Fed in, a MWh earns no more than one drawn costs: to draw and feed in at once never pays, and needs no rule of its own.
    exportMw:
      exportLimitW === undefined
        ? undefined
        : model.column(['export', '', start], hours * (priceUsdPerMwh - exportAdderUsdPerMwh), 0, exportLimitW / 1e6),
    generationMw: generators.map(({ id, usdPerMwh }, i) =>
      model.column(['generation', id, start], -hours * usdPerMwh, 0, availableW[i]! / 1e6),
    ),
  }));
  const exportMw = rows.map((row) => row.exportMw).filter((column) => column !== undefined);
  return {
    machines: rows.map((row) => row.machines),
    wakes: rows.map((row) => row.wakes),
    gpus: rows.map((row) => row.gpus),
    itMw: rows.map((row) => row.itMw),
    coolingMw: rows.map((row) => row.coolingMw),
    importMw: rows.map((row) => row.importMw),
    exportMw: exportLimitW === undefined ? undefined : exportMw,
    generationMw: rows.map((row) => row.generationMw),
  };
}

/** What power is: IT of a hall is the sum of its machines, import and what is made on site, less what is fed in, the sum of the halls with losses. */
function powerRows(model: Model, problem: Problem, columns: Columns): void {
  const { steps, halls, cohorts, work, snapshot } = problem;
  const cohortsIn = Map.groupBy(cohorts.keys(), (g) => cohorts[g]!.hall);
  const workIn = Map.groupBy(work.keys(), (i) => work[i]!.hall);
  for (const [t, { facts }] of steps.entries()) {
    for (const [h, hall] of halls.entries()) {
      const terms: [number, number][] = [[columns.itMw[t]![h]!, 1]];
      for (const g of cohortsIn.get(h) ?? [])
        for (const [m, mode] of cohorts[g]!.modes.entries())
          terms.push([columns.machines[t]![g]![m]!, -mode.powerW / 1e6]);
      for (const i of workIn.get(h) ?? []) terms.push([columns.gpus[t]![i]!, -work[i]!.facts.marginalWPerGpu / 1e6]);
      const undecidedMw = undecidedW(hall) / 1e6;
      model.row(['it', hall.id, facts.start], undecidedMw, undecidedMw, terms);
    }
    const withLosses = 1 + snapshot.connection.lossFraction;
    const halfTerms = [...columns.itMw[t]!, ...columns.coolingMw[t]!].map((column) => [column, -withLosses] as const);
    const made = columns.generationMw[t]!.map((column) => [column, 1] as const);
    const fedIn = columns.exportMw === undefined ? [] : [[columns.exportMw[t]!, -1] as const];
    model.row(['import', '', facts.start], 0, 0, [[columns.importMw[t]!, 1], ...made, ...fedIn, ...halfTerms]);
  }
}
