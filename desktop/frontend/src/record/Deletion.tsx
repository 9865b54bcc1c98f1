// Deleting a record, and what its page says while it is deleted. Nothing is lost by it: the record is
// hidden, and comes back by one button.
import { Button, Modal } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useExistence } from '../api/queries'
import type { Rec } from '../api/types'
import { useNotice } from '../app/notices'
import { useShortcuts } from '../app/shortcuts'
import { showMoment } from '../format/time'
import { useWords } from '../i18n'
import dialog from '../ui/dialog.module.css'
import { Icon } from '../ui/icons'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import css from './record.module.css'

/** Asks once, and says what a deletion does. Enter keeps the record. */
export function DeleteButton({ record }: { record: Rec }) {
  const { t } = useWords()
  const [asking, setAsking] = useState(false)
  const notice = useNotice()
  const existence = useExistence(() => {
    setAsking(false)
    notice(t('deleted.done'), t('deleted.doneHint'))
  })
  useShortcuts({ Delete: () => setAsking(true) })
  const close = () => setAsking(false)
  return (
    <>
      <Button variant="default" onClick={() => setAsking(true)} leftSection={<Icon name="trash" />} aria-keyshortcuts="Delete">
        {t('deleted.delete')}
      </Button>
      <Modal opened={asking} onClose={close} title={t('deleted.ask')} closeButtonProps={{ 'aria-label': t('app.close') }}>
        <div className={dialog.words}>
          <strong>{record.title}</strong>
          <p>{t('deleted.explain')}</p>
          <p>{t('deleted.until')}</p>
        </div>
        {existence.isError && <ProblemNote error={existence.error} title={t('problem.notSaved')} />}
        <div className={dialog.buttons}>
          <Button onClick={close} data-autofocus>
            {t('deleted.keep')}
          </Button>
          <Button color="red" variant="outline" aria-disabled={existence.isPending} onClick={() => !existence.isPending && existence.mutate({ to: 'remove', of: record })}>
            {t('deleted.delete')}
          </Button>
        </div>
      </Modal>
    </>
  )
}

/** What stands above a deleted record: who deleted it, and the ways on. */
export function DeletedNote({ record, readOnly }: { record: Rec; readOnly: boolean }) {
  const { t } = useWords()
  const notice = useNotice()
  const existence = useExistence((saved) => {
    notice(saved.deleted === undefined ? t('deleted.restored') : t('deleted.kept'))
    document.querySelector<HTMLElement>('h1')?.focus()
  })
  const first = useFocusOnce(record.deleted !== undefined)
  if (record.deleted === undefined) return null
  const { officer, device_name, at_ms } = record.deleted
  const edited = record.edited === true
  const go = (to: 'remove' | 'restore') => {
    if (!existence.isPending) existence.mutate({ to, of: record })
  }
  return (
    <div data-deleted={edited ? 'edited' : 'deleted'}>
      <Note tone="wait" title={t('deleted.said', { who: officer, device: device_name, at: showMoment(at_ms) })}>
        <p>{edited ? t('deleted.editedSince') : t('deleted.until')}</p>
        {readOnly && <p>{t('inbox.readOnly')}</p>}
        {existence.isError && <ProblemNote error={existence.error} title={t('problem.notSaved')} />}
        {!readOnly && (
          <div className={css.noteButtons}>
            <Button ref={first} onClick={() => go('restore')}>
              {edited ? t('inbox.restore') : t('deleted.restore')}
            </Button>
            {edited && (
              <Button variant="default" onClick={() => go('remove')}>
                {t('inbox.keepDeleted')}
              </Button>
            )}
          </div>
        )}
      </Note>
    </div>
  )
}

/** The way back is under the keyboard as soon as a record on the page is deleted, and not when the page opens on one. */
function useFocusOnce(deleted: boolean) {
  const ref = useRef<HTMLButtonElement>(null)
  const before = useRef(deleted)
  useEffect(() => {
    if (deleted && !before.current) ref.current?.focus()
    before.current = deleted
  }, [deleted])
  return ref
}
