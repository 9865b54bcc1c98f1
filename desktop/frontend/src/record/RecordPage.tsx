// One record: seen, edited, moved on, settled. Also the page of a new one.
import { Button } from '@mantine/core'
import { useState, type ReactNode } from 'react'
import { asProblem } from '../api/problem'
import { useApi, useNode, useRecord } from '../api/queries'
import type { Collection, Rec, Schema } from '../api/types'
import { useNotice } from '../app/notices'
import { Link, navigate, paths } from '../app/router'
import { useShortcuts } from '../app/shortcuts'
import { useWords } from '../i18n'
import { Heading } from '../ui/Heading'
import { Icon } from '../ui/icons'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import { Reading } from '../ui/Reading'
import { DeleteButton } from './Deletion'
import { takePrefill } from './prefill'
import { RecordForm } from './RecordForm'
import { RecordView } from './RecordView'
import css from './record.module.css'

export type CollectionProps = { schema: Schema; collection: Collection }

function useSaved() {
  const { t } = useWords()
  const notice = useNotice()
  return (record: Rec) => {
    notice(t('record.saved'), record.tick === 'province' || record.tick === 'covered' ? undefined : t('record.savedLater'))
    navigate(paths.record(record.collection, record.id), { replace: true, unguarded: true })
  }
}

export function NewPage({ schema, collection }: CollectionProps) {
  const { t, label } = useWords()
  const title = t('record.new', { what: label(collection.label) })
  const api = useApi()
  const saved = useSaved()
  const [prefill] = useState(() => takePrefill(collection.id))
  const onSaved = (record: Rec) => {
    saved(record)
    // What fails here stays in the inbox, where it can be taken off again.
    if (prefill?.settles !== undefined) void api.dismiss(prefill.settles).catch(() => undefined)
  }
  return (
    <Frame collection={collection} title={title} focus={false}>
      <RecordForm schema={schema} collection={collection} record={null} initial={prefill?.values} onSaved={onSaved} onCancel={() => navigate(paths.list(collection.id))} />
    </Frame>
  )
}

type RecordPageProps = CollectionProps & { id: string; editing: boolean }

export function RecordPage({ schema, collection, id, editing }: RecordPageProps) {
  const { t, label } = useWords()
  const record = useRecord(collection.id, id)
  const readOnly = useNode().data?.read_only !== false
  const onSaved = useSaved()
  const here = paths.record(collection.id, id)
  const edit = () => navigate(paths.edit(collection.id, id))
  if (record.data === undefined) {
    const missing = record.isError && asProblem(record.error).code === 'not_found'
    return (
      <Frame collection={collection} title={label(collection.label)}>
        {record.isError ? <ProblemNote error={record.error} title={missing ? t('record.notFound') : t('problem.title')} /> : <Reading />}
      </Frame>
    )
  }
  const deleted = record.data.deleted !== undefined
  if (editing && !readOnly && !deleted)
    return (
      <Frame collection={collection} title={`${t('record.edit')}: ${record.data.title}`} focus={false}>
        <EditForm key={id} schema={schema} collection={collection} record={record.data} onSaved={onSaved} onCancel={() => navigate(here)} />
      </Frame>
    )
  return (
    <Frame collection={collection} title={record.data.title} action={readOnly || deleted ? undefined : <Actions edit={edit} record={record.data} />}>
      <RecordView schema={schema} collection={collection} record={record.data} readOnly={readOnly} />
    </Frame>
  )
}

/** The form of a record, with what wasn't taken of it where the inbox sent the officer here. */
function EditForm(props: CollectionProps & { record: Rec; onSaved: (record: Rec) => void; onCancel: () => void }) {
  const { t } = useWords()
  const [prefill] = useState(() => takePrefill(props.collection.id, props.record.id))
  return (
    <>
      {prefill !== null && (
        <Note tone="wait" title={t('inbox.resend')}>
          {t('inbox.resending')}
        </Note>
      )}
      <RecordForm {...props} initial={prefill?.values} again={prefill?.again} />
    </>
  )
}

function Actions({ edit, record }: { edit: () => void; record: Rec }) {
  return (
    <div className={css.actions}>
      <DeleteButton record={record} />
      <EditButton edit={edit} />
    </div>
  )
}

function EditButton({ edit }: { edit: () => void }) {
  const { t } = useWords()
  useShortcuts({ e: edit })
  return (
    <Button onClick={edit} leftSection={<Icon name="edit" />} rightSection={<kbd>e</kbd>} aria-keyshortcuts="e">
      {t('record.edit')}
    </Button>
  )
}

type FrameProps = { collection: Collection; title: string; action?: ReactNode; focus?: boolean; children: ReactNode }

function Frame({ collection, title, action, focus = true, children }: FrameProps) {
  const { t, label } = useWords()
  useShortcuts(focus ? { Escape: () => navigate(paths.list(collection.id)) } : {})
  return (
    <div className={css.page}>
      <div className={css.head}>
        <div className={css.headWords}>
          <Link to={paths.list(collection.id)} className={css.back} aria-label={`${t('record.back')}: ${label(collection.label)}`}>
            <Icon name="left" /> {label(collection.label)}
          </Link>
          <Heading key={title} document={title} focus={focus}>
            {title}
          </Heading>
        </div>
        {action}
      </div>
      {children}
    </div>
  )
}
