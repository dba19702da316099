import '../styles/convert.css';
import { CONVERT_HASH, useRoute } from './route.ts';

const PAGES = [
  { route: 'site', href: '#/', word: 'Site' },
  { route: 'convert', href: CONVERT_HASH, word: 'Convert' },
] as const;

/** Between the live site and the conversion study. */
export function PageNav() {
  const route = useRoute();
  return (
    <nav className="page-nav" aria-label="Pages">
      {PAGES.map((page) => (
        <a key={page.route} href={page.href} aria-current={page.route === route ? 'page' : undefined}>
          {page.word}
        </a>
      ))}
    </nav>
  );
}
