import { useMutation } from '@tanstack/react-query';
import { Dialog } from 'radix-ui';
import { useEffect, useId, useRef, useState } from 'react';
import type { ReloadResult } from '../../src/model/api.ts';
import type { TenantView } from '../../src/model/tenants-api.ts';
import { queryClient } from './data.ts';
import { shellQuoted } from './hold-dialog.tsx';
import { useFocusBack } from './hooks.ts';
import { api, ApiError, explain } from './http.ts';
import { Trouble } from './parts.tsx';
import { bodyOf, faultsByField, formOf, NEW_PROJECT, type ProjectForm, type TenantForm } from './tenant-form.ts';
import { plural } from './verdict.ts';

const MIN_WHY = 3;

type Faults = ReadonlyMap<string, string>;

interface Shown {
  readonly result: ReloadResult;
  /** What it was asked for: another figure needs another preview. */
  readonly form: TenantForm;
}

/**
 * Adds or changes a customer: what it would change of the site file is shown before it is done.
 * @param taken ids that are of other customers already
 */
export function TenantDialog({
  tenant,
  taken,
  onClose,
}: {
  tenant: TenantView | undefined;
  taken: readonly string[];
  onClose: () => void;
}) {
  const focusBack = useFocusBack();
  const [form, setForm] = useState(() => formOf(tenant));
  const [why, setWhy] = useState('');
  const ask = (onlyLook: boolean) =>
    api<ReloadResult>(`/tenants/${encodeURIComponent(form.id.trim())}`, {
      method: 'POST',
      body: { ...bodyOf(form), why: why.trim(), onlyLook },
    });
  const preview = useMutation({ mutationFn: async (): Promise<Shown> => ({ result: await ask(true), form }) });
  const send = useMutation({
    mutationFn: () => ask(false),
    onSuccess: async () => {
      onClose();
      await queryClient.invalidateQueries({ queryKey: ['asked', 'tenants'] });
      await queryClient.invalidateQueries({ queryKey: ['activity'] });
    },
  });
  const shown = preview.data?.form === form ? preview.data.result : undefined;
  const trouble = send.error ?? preview.error;
  const isTaken = tenant === undefined && taken.includes(form.id.trim());
  const faults: Faults = isTaken
    ? new Map([['id', 'is a customer already: change it in its row']])
    : faultsByField(trouble instanceof ApiError ? trouble.errors : []);
  const fields = useRef<HTMLFormElement>(null);
  // A fault above what is in sight would go unseen.
  useEffect(() => {
    if (trouble !== null) fields.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }, [trouble]);
  const lacks = form.id.trim() === '' ? 'Say its id first' : why.trim().length < MIN_WHY ? 'Say why first' : undefined;
  const cannot = isTaken ? 'There is such a customer already' : lacks;
  const isReady = shown !== undefined && shown.changes.length > 0 && cannot === undefined;
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog order-dialog" onCloseAutoFocus={focusBack}>
          <Dialog.Title>{tenant === undefined ? 'Add a customer' : `Change ${tenant.name}`}</Dialog.Title>
          <Dialog.Description>
            Written into the site file, and followed at once. As which user its jobs run stays there: docs/customers.md.
          </Dialog.Description>
          <form
            ref={fields}
            onSubmit={(event) => {
              event.preventDefault();
              if (isReady) send.mutate();
              else if (cannot === undefined) preview.mutate();
            }}
          >
            <TenantFields form={form} faults={faults} isNew={tenant === undefined} onChange={setForm} />
            <Field label="Why" name="why" value={why} faults={faults} onChange={setWhy} />
            <div aria-live="polite">
              {trouble !== null && !preview.isPending && !send.isPending && (
                <Trouble
                  {...explain(trouble)}
                  {...(faults.size > 0 && { detail: 'What is wrong stands at its field.' })}
                />
              )}
              {shown !== undefined && <Changes result={shown} />}
            </div>
            <details className="equivalent">
              <summary>The same on the command line</summary>
              <pre>{equivalentOf(form, why.trim())}</pre>
            </details>
            <div className="dialog-foot">
              <Dialog.Close className="button quiet">Cancel</Dialog.Close>
              <button
                type="button"
                className="button"
                disabled={cannot !== undefined || preview.isPending}
                title={cannot}
                onClick={() => preview.mutate()}
              >
                Preview
              </button>
              <button
                type="submit"
                className="button primary"
                disabled={!isReady || send.isPending}
                title={isReady ? undefined : (cannot ?? 'Look at the preview first')}
              >
                {send.isPending ? 'Sending…' : tenant === undefined ? 'Add' : 'Change'}
              </button>
            </div>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function TenantFields({
  form,
  faults,
  isNew,
  onChange,
}: {
  form: TenantForm;
  faults: Faults;
  isNew: boolean;
  onChange: (form: TenantForm) => void;
}) {
  const field = (key: 'id' | 'name' | 'customers' | 'gpus' | 'gpuHours', label: string, hint?: string) => (
    <Field
      label={label}
      name={key}
      hint={hint}
      value={form[key]}
      faults={faults}
      isFixed={key === 'id' && !isNew}
      onChange={(value) => onChange({ ...form, [key]: value })}
    />
  );
  const withProject = (at: number, project: ProjectForm) =>
    onChange({ ...form, projects: form.projects.map((one, i) => (i === at ? project : one)) });
  return (
    <>
      <div className="order-fields">
        {field('id', 'Id', 'acme')}
        {field('name', 'Name', 'Acme Research')}
        {field('gpus', 'GPUs at once', 'no limit')}
        {field('gpuHours', 'GPU-hours/month', 'no limit')}
      </div>
      {field('customers', 'Further names in jobs and contracts', 'none')}
      {form.projects.map((project, at) => (
        <ProjectFields
          // Projects have no name of their own until one is typed.
          key={at}
          at={at}
          project={project}
          faults={faults}
          onChange={(one) => withProject(at, one)}
          {...(form.projects.length > 1 && {
            onRemove: () => onChange({ ...form, projects: form.projects.filter((_, i) => i !== at) }),
          })}
        />
      ))}
      <button
        type="button"
        className="button tenant-more"
        onClick={() => onChange({ ...form, projects: [...form.projects, NEW_PROJECT] })}
      >
        Another project
      </button>
    </>
  );
}

function ProjectFields({
  at,
  project,
  faults,
  onChange,
  onRemove,
}: {
  at: number;
  project: ProjectForm;
  faults: Faults;
  onChange: (project: ProjectForm) => void;
  onRemove?: () => void;
}) {
  const id = useId();
  const field = (key: Exclude<keyof ProjectForm, 'alertPct' | 'onExceeded'>, label: string, hint?: string) => (
    <Field
      label={label}
      name={`projects.${at}.${key}`}
      hint={hint}
      value={project[key]}
      faults={faults}
      onChange={(value) => onChange({ ...project, [key]: value })}
    />
  );
  return (
    <fieldset className="tenant-project">
      <legend>Project {at + 1}</legend>
      <div className="order-fields">
        {field('id', 'Project', 'vision')}
        {field('account', 'Account', 'acme-vision')}
        {field('gpus', 'GPUs at once', 'no limit')}
        {field('gpuHours', 'GPU-hours/month', 'no limit')}
        {field('usdPerMonth', 'Budget, $/month', 'none')}
        <div>
          <label htmlFor={`${id}-exceeded`}>Beyond it</label>
          <select
            id={`${id}-exceeded`}
            value={project.onExceeded}
            disabled={project.usdPerMonth.trim() === ''}
            onChange={(event) =>
              onChange({ ...project, onExceeded: event.target.value === 'refuse' ? 'refuse' : 'alert' })
            }
          >
            <option value="alert">raise an alarm</option>
            <option value="refuse">refuse jobs</option>
          </select>
        </div>
      </div>
      {field('members', 'Members, by account of Busbar', 'every account of the customer')}
      {onRemove !== undefined && (
        <button type="button" className="button tenant-more" onClick={onRemove}>
          Remove project {at + 1}
        </button>
      )}
    </fieldset>
  );
}

function Field({
  label,
  name,
  value,
  hint,
  faults,
  isFixed = false,
  onChange,
}: {
  label: string;
  /** As the faults name it. */
  name: string;
  value: string;
  hint?: string | undefined;
  faults: Faults;
  isFixed?: boolean;
  onChange: (value: string) => void;
}) {
  const id = useId();
  const fault = faults.get(name);
  return (
    <div className="tenant-field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        value={value}
        placeholder={hint}
        readOnly={isFixed}
        aria-invalid={fault !== undefined}
        aria-describedby={fault === undefined ? undefined : `${id}-fault`}
        onChange={(event) => onChange(event.target.value)}
      />
      {fault !== undefined && (
        <p id={`${id}-fault`} className="field-fault">
          {fault}
        </p>
      )}
    </div>
  );
}

function Changes({ result: { changes } }: { result: ReloadResult }) {
  if (changes.length === 0) return <p className="muted">Nothing changes.</p>;
  return (
    <section className="order-preview" aria-label="What it would change">
      <p>{plural(changes.length, 'change')} of the site file:</p>
      <ul className="order-moves tenant-changes">
        {changes.map(({ path, text }) => (
          <li key={path}>{text}</li>
        ))}
      </ul>
    </section>
  );
}

const equivalentOf = (form: TenantForm, why: string): string =>
  `cat > tenant.json <<'END'\n${JSON.stringify(bodyOf(form), null, 2)}\nEND\nbusbar tenant set ${form.id.trim() || 'ID'} --from tenant.json --why ${shellQuoted(why === '' ? '…' : why)}`;
