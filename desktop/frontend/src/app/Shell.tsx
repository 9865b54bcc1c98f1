// The frame of every page: header, sections, the month's figures, and the page itself.
import { useEffect, useState } from 'react'
import { useNode, useSchema } from '../api/queries'
import { KpiPage } from '../kpi/KpiPage'
import { KpiStrip } from '../kpi/KpiStrip'
import { InboxPage } from '../inbox/InboxPage'
import { ListPage } from '../list/ListPage'
import { useWords } from '../i18n'
import { DemoPage } from '../node/DemoPage'
import { StickPage } from '../node/StickPage'
import { NewPage, RecordPage } from '../record/RecordPage'
import { Heading } from '../ui/Heading'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import { Header } from './Header'
import { HelpDialog } from './HelpDialog'
import { useLiveUpdates } from './live'
import { navigate, paths, useRoute, type Route } from './router'
import { Sections } from './Sections'
import { useShortcuts } from './shortcuts'
import css from './shell.module.css'

export function Shell() {
  const { t } = useWords()
  const [help, setHelp] = useState(false)
  const route = useRoute()
  const live = useLiveUpdates()
  useShortcuts({ '?': () => setHelp(true), i: () => navigate(paths.inbox) })
  useEffect(() => {
    // In braces: newer browsers return a promise from scrollTo, which is no clean-up function.
    document.getElementById('main')?.scrollTo(0, 0)
  }, [route])
  return (
    <div className={css.shell}>
      <a className="skip" href="#main" onClick={skipToMain}>
        {t('app.skip')}
      </a>
      <Header />
      <Sections route={route} onHelp={() => setHelp(true)} />
      <div className={css.content}>
        <KpiStrip />
        {!live && (
          <div role="status" className={css.lost}>
            <Note tone="wait">{t('problem.nodeLost')}</Note>
          </div>
        )}
        <main id="main" tabIndex={-1} className={css.main}>
          <RoutedPage route={route} />
        </main>
      </div>
      <HelpDialog opened={help} close={() => setHelp(false)} />
    </div>
  )
}

function skipToMain(event: { preventDefault: () => void }) {
  event.preventDefault()
  document.getElementById('main')?.focus()
}

function RoutedPage({ route }: { route: Route }) {
  const schema = useSchema()
  const node = useNode()
  if (route.page === 'kpi') return <KpiPage />
  if (route.page === 'stick') return <StickPage />
  if (route.page === 'demo' && node.data?.demo === true) return <DemoPage />
  if (schema.isError) return <ProblemNote error={schema.error} />
  if (schema.data === undefined) return <Reading />
  if (route.page === 'inbox') return <InboxPage schema={schema.data} />
  const name = 'collection' in route ? route.collection : route.page === 'home' ? schema.data.collections[0]?.id : undefined
  const collection = schema.data.collections.find((known) => known.id === name)
  if (collection === undefined) return route.page === 'home' ? <KpiPage /> : <NotFound />
  const common = { schema: schema.data, collection }
  if (route.page === 'new' && node.data?.read_only === false) return <NewPage key={collection.id} {...common} />
  if (route.page === 'record') return <RecordPage key={route.id} {...common} id={route.id} editing={route.editing} />
  return <ListPage key={collection.id} {...common} />
}

function NotFound() {
  const { t } = useWords()
  return (
    <div className={css.notFound}>
      <Heading document={t('app.notFound')}>{t('app.notFound')}</Heading>
      <p>{t('app.notFoundHint')}</p>
    </div>
  )
}
