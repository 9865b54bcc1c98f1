// Moving a record through its statuses: one button per step that the pack allows next,
// or the whole list where the pack names no order.
import { Button, Select } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { useAcceptRecord, useApi } from '../api/queries'
import type { CodeList, Rec } from '../api/types'
import { useNotice } from '../app/notices'
import { codeText, FieldValue } from '../fields/FieldValue'
import { pick, useWords } from '../i18n'
import { findField, listOf, nextStatuses } from '../schema/fields'
import { ProblemNote } from '../ui/ProblemNote'
import { SourceMark } from '../ui/SourceMark'
import type { CollectionProps } from './RecordPage'
import css from './record.module.css'

export function StatusMoves({ schema, collection, record }: CollectionProps & { record: Rec }) {
  const { t } = useWords()
  const field = collection.status === null ? undefined : findField(collection, collection.status)
  const move = useMove(record)
  if (field === undefined) return null
  const list = listOf(schema, field)
  const next = nextStatuses(collection, record.values[field.name])
  const go = (code: string) => !move.isPending && move.mutate({ [field.name]: code })
  return (
    <section className={css.card} aria-label={t('status.move')}>
      <h2>{t('status.move')}</h2>
      <p className={css.status}>
        <FieldValue schema={schema} field={field} value={record.values[field.name]} />
      </p>
      {next === null ? <AnyStatus key={record.version} list={list} now={record.values[field.name]} go={go} /> : <NextStatuses list={list} next={next} go={go} />}
      {list !== null && <SourceMark source={list.source} confidence={list.confidence} open={list.open} />}
      {move.isError && <ProblemNote error={move.error} title={t('problem.notSaved')} />}
    </section>
  )
}

function useMove(record: Rec) {
  const { t } = useWords()
  const api = useApi()
  const accept = useAcceptRecord()
  const notice = useNotice()
  return useMutation({
    mutationFn: (values: Record<string, string>) => api.change(record.collection, record.id, { version: record.version, values }),
    onSuccess: (saved) => {
      accept(saved)
      notice(t('status.moved'), t('record.saved'))
    },
  })
}

type MovesProps = { list: CodeList | null; go: (code: string) => void }

function NextStatuses({ list, next, go }: MovesProps & { next: string[] }) {
  const { t, language } = useWords()
  if (next.length === 0) return <p className={css.small}>{t('status.none')}</p>
  return (
    <div className={css.moves} role="group" aria-label={t('status.to')}>
      {next.map((code) => (
        <Button key={code} variant="light" size="compact-sm" fullWidth justify="flex-start" onClick={() => go(code)} data-status={code}>
          → {codeText(list, code, language)}
        </Button>
      ))}
    </div>
  )
}

function AnyStatus({ list, now, go }: MovesProps & { now: unknown }) {
  const { t, language } = useWords()
  const [chosen, setChosen] = useState<string | null>(null)
  const data = (list?.items ?? []).filter((item) => item.code !== now).map((item) => ({ value: item.code, label: pick(item.label, language) }))
  const apply = () => {
    if (chosen !== null) go(chosen)
  }
  return (
    <div className={css.moves}>
      <Select data={data} value={chosen} onChange={setChosen} placeholder={t('status.choose')} aria-label={t('status.choose')} size="xs" />
      <Button size="compact-sm" onClick={apply} disabled={chosen === null}>
        {t('status.apply')}
      </Button>
    </div>
  )
}
