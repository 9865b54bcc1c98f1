// Asked before unsaved typing is thrown away. Staying is the answer that Enter gives.
import { Button, Modal } from '@mantine/core'
import { useWords } from '../i18n'
import css from './dialog.module.css'

type Props = {
  guard: { asking: boolean; stay: () => void; leave: () => void }
  /** Puts the focus back where it was in the form. */
  onStay: () => void
}

export function LeaveDialog({ guard, onStay }: Props) {
  const { t } = useWords()
  const stay = () => {
    guard.stay()
    onStay()
  }
  return (
    <Modal opened={guard.asking} onClose={stay} returnFocus={false} title={t('form.leaveTitle')} closeButtonProps={{ 'aria-label': t('app.close') }}>
      <p>{t('form.leave')}</p>
      <div className={css.buttons}>
        <Button onClick={stay} data-autofocus>
          {t('form.leaveNo')}
        </Button>
        <Button variant="default" onClick={guard.leave}>
          {t('form.leaveYes')}
        </Button>
      </div>
    </Modal>
  )
}
