import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify';
import { ROLES, type Role } from '../../model/api.ts';
import { ApiProblem } from '../problems.ts';

/** Who may use a route: anybody, or whoever has at least this role. */
export type Needs = 'public' | Exclude<Role, 'customer'>;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may use the route. A route without it is not registered. */
    needs?: Needs;
    /**
     * The route manages credentials: it needs a person even where anybody may read, and no API token may use it, so
     * that a leaked token cannot be turned into a lasting way in.
     */
    credentials?: boolean;
    /**
     * Customers may use it, too: it shows and changes nothing but what is their tenant's own. Every other route is shut to
     * them.
     */
    customers?: boolean;
  }
  interface FastifyRequest {
    signed: Signed | undefined;
  }
}

/** Who asks. */
export interface Person {
  readonly name: string;
  readonly role: Role;
  /** Whose a customer is, by the id of the site file. */
  readonly tenant?: string | undefined;
  /** `link`: by possession of the machine that runs the server; such a person is `owner` and has no account. */
  readonly via: 'session' | 'token' | 'link';
  /** Name of the API token, where one was used. */
  readonly token?: string;
}

/** A person and the credential that says so. */
export interface Signed {
  readonly person: Person;
  /** Undefined for the person of the link. */
  readonly account: string | undefined;
  readonly sessionId: string | undefined;
  /** Unix milliseconds; undefined for the local token, which ends with the server. */
  readonly expiresMs: number | undefined;
  /** Of an API token that is for some routes only. */
  readonly tags: readonly string[] | undefined;
}

export interface RoutePolicy {
  readonly method: string;
  readonly url: string;
  readonly needs: Needs;
  readonly credentials: boolean;
  readonly customers: boolean;
  readonly tags: readonly string[];
}

/** Routes of the built pages: the sign-in page must reach those who are not signed in. The only ones without a word of their own. */
const PAGES: ReadonlySet<string> = new Set(['/', '/*']);

const rank = (role: Role): number => ROLES.indexOf(role);
/** The lesser of two roles: what a token's scope leaves of what its owner may now. */
export const lesser = (one: Role, other: Role): Role => (rank(one) < rank(other) ? one : other);

/** @throws Error where nobody is signed in: the route's policy must need somebody */
export function personOf(request: FastifyRequest): Person {
  const person = request.signed?.person;
  if (person === undefined) throw new Error(`${request.url} asks for a person, but its policy lets anybody in`);
  return person;
}

/** How a person stands in the record. */
export const actorOf = ({ name, token }: Person): string => (token === undefined ? name : `${name} (token ${token})`);

/**
 * Makes every route say who may use it, and the OpenAPI document tell so. Must be called before any route is
 * registered.
 * @returns every route there is, as they are registered
 */
export function declarePolicies(server: FastifyInstance, openReads: boolean): readonly RoutePolicy[] {
  const routes: RoutePolicy[] = [];
  server.addHook('onRoute', (route: RouteOptions) => {
    const methods = Array.isArray(route.method) ? route.method : [route.method];
    const needs = route.config?.needs ?? (PAGES.has(route.url) ? 'public' : undefined);
    if (needs === undefined)
      throw new Error(`route ${methods.join()} ${route.url} does not say who may: config: { needs: ... }`);
    const credentials = route.config?.credentials === true;
    if (credentials && needs === 'public') throw new Error(`route ${route.url} manages credentials and is public`);
    const customers = route.config?.customers === true;
    route.config = { ...route.config, needs };
    const tags = tagsOf(route.schema);
    for (const method of methods) routes.push({ method, url: route.url, needs, credentials, customers, tags });
    const open = needs === 'public' || (needs === 'viewer' && openReads && !credentials);
    if (!open && route.schema !== undefined)
      route.schema = { security: [{ session: [] }, ...(credentials ? [] : [{ token: [] }])], ...route.schema };
  });
  return routes;
}

const tagsOf = (schema: unknown): readonly string[] => (schema as { tags?: readonly string[] } | undefined)?.tags ?? [];

/**
 * Lets a request through, or says why not.
 * @param refusal why the credential that came is not good, where one came
 * @throws ApiProblem 401 or 403
 */
export function enforce(request: FastifyRequest, openReads: boolean, refusal: string | undefined): void {
  if (request.is404) return;
  const { needs, credentials = false, customers = false } = request.routeOptions.config;
  if (needs === undefined) throw new Error(`route ${request.url} has no policy`);
  if (needs === 'public') return;
  if (refusal !== undefined) throw new ApiProblem(401, 'Sign in again', refusal);
  const { signed } = request;
  if (signed === undefined) {
    if (needs === 'viewer' && openReads && !credentials) return;
    const how = 'sign in by name and password, or open the sign-in link that busbar printed when it started';
    throw new ApiProblem(401, 'Sign in first', how);
  }
  const { person, tags } = signed;
  if (credentials && person.via === 'token') {
    throw new ApiProblem(403, 'Not with a token', 'credentials are managed by people: sign in (busbar login)');
  }
  const routeTags = tagsOf(request.routeOptions.schema);
  if (tags !== undefined && !routeTags.some((tag) => tags.includes(tag))) {
    const what = routeTags.length === 0 ? 'has no tag' : `is for ${routeTags.join(', ')}`;
    throw new ApiProblem(403, 'Not with this token', `this token is for ${tags.join(', ')}; this route ${what}`);
  }
  if (person.role === 'customer' && customers) {
    if (person.tenant !== undefined) return;
    throw new ApiProblem(
      403,
      'Not allowed',
      `${person.name} is a customer of no tenant: an admin gives one, by busbar users role`,
    );
  }
  if (rank(person.role) < rank(needs))
    throw new ApiProblem(403, 'Not allowed', `this needs the role ${needs}; ${person.name} is ${person.role} here`);
}
