// The sections: one for each collection of the pack, the figures, and the demo's lines.
import { useNode, useSchema } from '../api/queries'
import { useWords } from '../i18n'
import { Link, navigate, paths, type Route } from './router'
import css from './shell.module.css'
import { useShortcuts } from './shortcuts'

type Section = { to: string; label: string; current: boolean }

function useSections(route: Route): Section[] {
  const { t, label } = useWords()
  const collections = useSchema().data?.collections ?? []
  const demo = useNode().data?.demo === true
  const shown = 'collection' in route ? route.collection : route.page === 'home' ? collections[0]?.id : undefined
  return [
    ...collections.map((c) => ({ to: paths.list(c.id), label: label(c.label), current: c.id === shown })),
    { to: paths.kpi, label: t('app.kpi'), current: route.page === 'kpi' },
    { to: paths.stick, label: t('app.stick'), current: route.page === 'stick' },
    ...(demo ? [{ to: paths.demo, label: t('app.demo'), current: route.page === 'demo' }] : []),
  ]
}

export function Sections({ route, onHelp }: { route: Route; onHelp: () => void }) {
  const { t } = useWords()
  const pack = useSchema().data?.pack
  const sections = useSections(route)
  const { label } = useWords()
  useShortcuts(Object.fromEntries(sections.slice(0, 9).map(({ to }, i) => [String(i + 1), () => navigate(to)])))
  return (
    <nav className={css.nav} aria-label={t('app.menu')}>
      <ul>
        {sections.map((section, i) => (
          <li key={section.to}>
            <Link to={section.to} aria-current={section.current ? 'page' : undefined} aria-keyshortcuts={i < 9 ? String(i + 1) : undefined}>
              <span>{section.label}</span>
              {i < 9 && <kbd>{i + 1}</kbd>}
            </Link>
          </li>
        ))}
      </ul>
      <div className={css.navFoot}>
        <button type="button" onClick={onHelp} aria-keyshortcuts="?">
          {t('help.hint')}
        </button>
        {pack !== undefined && (
          <small>
            {label(pack.label)} · {pack.version}
          </small>
        )}
      </div>
    </nav>
  )
}
