// Asked before unsaved typing is thrown away. Staying is the answer that Enter gives.
import { Button, Modal } from '@mantine/core'
import { useWords } from '../i18n'
import css from './dialog.module.css'

type Props = { guard: { asking: boolean; stay: () => void; leave: () => void } }

export function LeaveDialog({ guard }: Props) {
  const { t } = useWords()
  return (
    <Modal opened={guard.asking} onClose={guard.stay} title={t('form.leaveTitle')} closeButtonProps={{ 'aria-label': t('app.close') }}>
      <p>{t('form.leave')}</p>
      <div className={css.buttons}>
        <Button onClick={guard.stay} data-autofocus>
          {t('form.leaveNo')}
        </Button>
        <Button variant="default" onClick={guard.leave}>
          {t('form.leaveYes')}
        </Button>
      </div>
    </Modal>
  )
}
