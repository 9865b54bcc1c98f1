// One thing that waits for a person: what happened, in a sentence, and the ways to settle it.
import { Button } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useApi, useExistence } from '../api/queries'
import type { Collection, InboxItem, Said, Schema, Values } from '../api/types'
import { useNotice } from '../app/notices'
import { Link, navigate, paths } from '../app/router'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import { leavePrefill } from '../record/prefill'
import { saidText } from '../record/said'
import { findField } from '../schema/fields'
import { Icon } from '../ui/icons'
import { ProblemNote } from '../ui/ProblemNote'
import css from './inbox.module.css'

type Props = { schema: Schema; item: InboxItem; readOnly: boolean }

const icons = { fork: 'conflict', refused: 'warning', edited: 'trash', late: 'clock', conflict: 'conflict' } as const

export function Item({ schema, item, readOnly }: Props) {
  const { t, label } = useWords()
  const collection = schema.collections.find((known) => known.id === item.collection)
  const what = collection === undefined ? item.collection : label(collection.label)
  return (
    <li className={css.item} data-kind={item.kind} data-record={item.record}>
      <Icon name={icons[item.kind]} size={16} />
      <div className={css.words}>
        <span className={css.small}>
          {t(`inbox.kind.${item.kind}`)}
          {item.kind !== 'fork' && ` · ${what}`}
        </span>
        <Sentence item={item} collection={collection} />
        {item.damaged === true && <p>{t('list.damaged')}</p>}
        {(item.kind === 'late' || item.kind === 'refused') && <Content schema={schema} collection={collection} wrote={item.wrote} />}
        <Actions item={item} collection={collection} readOnly={readOnly} />
      </div>
    </li>
  )
}

function Sentence({ item, collection }: { item: InboxItem; collection: Collection | undefined }) {
  const { t, label } = useWords()
  if (item.kind === 'fork') {
    const device = item.device_name === '' ? t('inbox.forkUnknown') : item.device_name
    return (
      <p>
        <b>{device}</b>: {t('inbox.fork', { at: showMoment(item.at_ms) })} {t(item.decided === true ? 'inbox.forkDecided' : 'inbox.forkReport')}
      </p>
    )
  }
  const title = item.title === '' ? item.record : item.title
  const named = <b>{title}</b>
  const by = item.device_name === '' ? item.officer : `${item.officer} (${item.device_name})`
  if (item.kind === 'conflict') {
    const fields = item.conflicts.map((name) => {
      const field = collection === undefined ? undefined : findField(collection, name)
      return field === undefined ? name : label(field.label)
    })
    return (
      <p>
        {named}: {t('inbox.conflict', { fields: fields.join(', ') })}
      </p>
    )
  }
  if (item.kind === 'refused') {
    const why = item.why === undefined ? '' : label(item.why)
    return (
      <p>
        {item.title !== '' && <>{named}: </>}
        {item.by === undefined ? t('inbox.hidden', { by, at: showMoment(item.at_ms), why }) : t('inbox.refused', { by, at: showMoment(item.at_ms), why, peer: item.by })}
      </p>
    )
  }
  if (item.kind === 'late') return <p>{item.at_ms === 0 ? t('inbox.lateForgotten') : t('inbox.late', { by, at: showMoment(item.at_ms) })}</p>
  const deleted = item.deleted
  return (
    <p>
      {named}: {deleted === undefined ? t('inbox.editedOnly', { by, at: showMoment(item.at_ms) }) : t('inbox.edited', { by, at: showMoment(item.at_ms), who: deleted.officer, deletedAt: showMoment(deleted.at_ms) })}
    </p>
  )
}

function Content({ schema, collection, wrote }: { schema: Schema; collection: Collection | undefined; wrote: Said[] }) {
  const { t, label, language } = useWords()
  if (collection === undefined || wrote.length === 0) return null
  return (
    <dl className={css.content}>
      {wrote.map((said, i) => {
        const field = said.field === undefined ? undefined : findField(collection, said.field)
        if (field === undefined) return null
        return (
          <div key={i}>
            <dt>{label(field.label)}</dt>
            <dd>{saidText(schema, collection, said, language, t) ?? t('conflict.emptyValue')}</dd>
          </div>
        )
      })}
    </dl>
  )
}

/** The next thing that waits takes the keyboard when the one that had it is settled. */
function focusHeading() {
  document.querySelector<HTMLElement>('h1')?.focus()
}

function Actions({ item, collection, readOnly }: { item: InboxItem; collection: Collection | undefined; readOnly: boolean }) {
  const { t } = useWords()
  if (item.kind === 'fork') return null // the province settles it
  if (item.kind === 'late' || (item.kind === 'refused' && item.gone === true)) return readOnly ? null : <LateActions item={item} collection={collection} />
  const to = paths.record(item.collection, item.record)
  const title = item.title === '' ? item.record : item.title
  return (
    <div className={css.actions}>
      {item.kind === 'refused' && !readOnly && <RefusedActions item={item} title={title} status={collection?.status ?? null} />}
      {item.kind === 'edited' && !readOnly && item.damaged !== true && <EditedActions item={item} title={title} />}
      <Link to={to} className={css.open} aria-label={`${t(item.kind === 'conflict' && !readOnly ? 'inbox.settle' : 'inbox.open')}: ${title}`}>
        {t(item.kind === 'conflict' && !readOnly ? 'inbox.settle' : 'inbox.open')} <Icon name="right" size={12} />
      </Link>
    </div>
  )
}

function EditedActions({ item, title }: { item: InboxItem; title: string }) {
  const { t } = useWords()
  const notice = useNotice()
  const existence = useExistence((record) => {
    notice(record.deleted === undefined ? t('deleted.restored') : t('deleted.kept'), title)
    focusHeading()
  })
  const of = { collection: item.collection, id: item.record, version: item.version }
  const go = (to: 'remove' | 'restore') => {
    if (!existence.isPending) existence.mutate({ to, of })
  }
  return (
    <>
      {existence.isError && <ProblemNote error={existence.error} title={t('problem.notSaved')} />}
      <Button size="compact-sm" onClick={() => go('restore')} aria-label={`${t('inbox.restore')}: ${title}`}>
        {t('inbox.restore')}
      </Button>
      <Button size="compact-sm" variant="default" onClick={() => go('remove')} aria-label={`${t('inbox.keepDeleted')}: ${title}`}>
        {t('inbox.keepDeleted')}
      </Button>
    </>
  )
}

/** Opens the record's form with what wasn't taken; saving sends it again. */
function RefusedActions({ item, title, status }: { item: InboxItem; title: string; status: string | null }) {
  const { t } = useWords()
  const dismiss = useDismiss(item)
  // A step that the province has rejected is made again, if at all, by the record's own panel of steps.
  const wrote = item.wrote.filter(({ what, field }) => (what === 'written' || what === 'added') && (item.by !== undefined || field !== status))
  const again = wrote.flatMap(({ field }) => (field === undefined ? [] : [field]))
  const resend = () => {
    leavePrefill({ collection: item.collection, record: item.record, values: writtenValues(wrote), again })
    navigate(paths.edit(item.collection, item.record))
  }
  return (
    <>
      {dismiss.isError && <ProblemNote error={dismiss.error} />}
      {again.length > 0 && (
        <Button size="compact-sm" onClick={resend} aria-label={`${t('inbox.resend')}: ${title}`}>
          {t('inbox.resend')}
        </Button>
      )}
      <Button size="compact-sm" variant="default" onClick={() => !dismiss.isPending && dismiss.mutate()} aria-label={`${t('inbox.dismiss')}: ${title}`}>
        {t('inbox.dismiss')}
      </Button>
    </>
  )
}

function useDismiss(item: InboxItem) {
  const { t } = useWords()
  const api = useApi()
  const client = useQueryClient()
  const notice = useNotice()
  return useMutation({
    mutationFn: () => api.dismiss(item.id),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['inbox'] })
      notice(t('inbox.dismissed'))
      focusHeading()
    },
  })
}

function LateActions({ item, collection }: { item: InboxItem; collection: Collection | undefined }) {
  const { t } = useWords()
  const dismiss = useDismiss(item)
  const values = collection === undefined ? {} : writtenValues(item.wrote)
  const remake = () => {
    leavePrefill({ collection: item.collection, values, settles: item.id })
    navigate(paths.new(item.collection))
  }
  return (
    <div className={css.actions}>
      {dismiss.isError && <ProblemNote error={dismiss.error} />}
      {Object.keys(values).length > 0 && (
        <Button size="compact-sm" onClick={remake}>
          {t('inbox.remake')}
        </Button>
      )}
      <Button size="compact-sm" variant="default" onClick={() => !dismiss.isPending && dismiss.mutate()}>
        {t('inbox.dismiss')}
      </Button>
    </div>
  )
}

function writtenValues(wrote: Said[]): Values {
  const written = wrote.filter((said) => said.what === 'written' && said.field !== undefined)
  return Object.fromEntries(written.map((said) => [said.field ?? '', said.value ?? null]))
}
