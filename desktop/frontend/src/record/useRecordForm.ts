// The life of one form: opened on a version, typed into, read, sent, and kept as typed when that fails.
import { useMutation } from '@tanstack/react-query'
import { useCallback, useMemo, useState } from 'react'
import { asProblem, type Problem } from '../api/problem'
import { useAcceptRecord, useApi } from '../api/queries'
import type { Collection, Rec, Schema, Values } from '../api/types'
import { useWords } from '../i18n'
import { changedFields, openDraft, readChanges, readNew, typeIn } from '../schema/draft'
import { complaintTexts, placeErrors } from './complaints'

export type FormState = {
  typed: (name: string) => string
  type: (name: string, text: string) => void
  errors: Record<string, string>
  problem: Problem | null
  /** What the node said that belongs to no field. */
  others: string[]
  /** Counts failed tries, so that the page can move the focus to what is wrong each time. */
  failures: number
  dirty: boolean
  saving: boolean
  nothingChanged: boolean
  submit: () => void
}

/** `record` is what the form was opened on (null for a new one); later versions don't touch it. */
export function useRecordForm(schema: Schema, collection: Collection, record: Rec | null, onSaved: (record: Rec) => void, initial: Values = {}, again: string[] = []): FormState {
  const { t } = useWords()
  const api = useApi()
  const accept = useAcceptRecord()
  const [opened] = useState(() => ({ record, draft: openDraft(collection, record) }))
  const [draft, setDraft] = useState(() => ({ ...opened.draft, ...typeIn(collection, initial) }))
  const [errors, setErrors] = useState<Record<string, string>>({})
  const [others, setOthers] = useState<string[]>([])
  const [failures, setFailures] = useState(0)
  const [nothingChanged, setNothingChanged] = useState(false)

  const save = useMutation({
    mutationFn: (values: Values) =>
      opened.record === null
        ? api.create(collection.id, values)
        : api.change(collection.id, opened.record.id, { version: opened.record.version, values, ...(again.length > 0 ? { again: true } : {}) }),
    onSuccess: (saved) => {
      accept(saved)
      onSaved(saved)
    },
    onError: (error) => {
      const placed = placeErrors(collection, asProblem(error))
      setErrors(placed.fields)
      setOthers(placed.others)
      setFailures((n) => n + 1)
    },
  })

  const type = useCallback((name: string, text: string) => {
    setDraft((last) => ({ ...last, [name]: text }))
    setErrors((last) => Object.fromEntries(Object.entries(last).filter(([field]) => field !== name)))
    setNothingChanged(false)
  }, [])

  const dirty = useMemo(() => changedFields(opened.draft, draft).length > 0, [opened, draft])

  const submit = () => {
    if (save.isPending) return
    save.reset()
    setOthers([])
    if (opened.record !== null && !dirty && again.length === 0) return setNothingChanged(true)
    const reading = opened.record === null ? readNew(schema, collection, draft) : readChanges(schema, collection, opened.draft, draft, again)
    const found = complaintTexts(reading.complaints, t)
    setErrors(found)
    if (Object.keys(found).length > 0) return setFailures((n) => n + 1)
    save.mutate(reading.values)
  }

  return {
    typed: (name) => draft[name] ?? '',
    type,
    errors,
    problem: save.error === null ? null : asProblem(save.error),
    others,
    failures,
    dirty: dirty && !save.isSuccess,
    saving: save.isPending,
    nothingChanged,
    submit,
  }
}
