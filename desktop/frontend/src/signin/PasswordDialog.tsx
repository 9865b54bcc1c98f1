// Setting a password after a one-time sign-in, or changing it.
import { Button, Modal, PasswordInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useState, type SyntheticEvent } from 'react'
import { useApi } from '../api/queries'
import { useNotice } from '../app/notices'
import { useWords } from '../i18n'
import { countCharacters } from '../schema/fields'
import dialog from '../ui/dialog.module.css'
import { ProblemNote } from '../ui/ProblemNote'

/** The shortest password that a node takes. */
const shortestPassword = 8

type Props = { opened: boolean; passwordSet: boolean; onDone: () => void; onLater: () => void }

export function PasswordDialog({ opened, passwordSet, onDone, onLater }: Props) {
  const { t } = useWords()
  return (
    <Modal opened={opened} onClose={onLater} title={passwordSet ? t('password.changeTitle') : t('password.offerTitle')} closeButtonProps={{ 'aria-label': t('app.close') }}>
      <PasswordForm passwordSet={passwordSet} onDone={onDone} onLater={onLater} />
    </Modal>
  )
}

function PasswordForm({ passwordSet, onDone, onLater }: Omit<Props, 'opened'>) {
  const { t } = useWords()
  const api = useApi()
  const notice = useNotice()
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [again, setAgain] = useState('')
  const [tried, setTried] = useState(false)
  const short = countCharacters(next) < shortestPassword
  const set = useMutation({
    mutationFn: () => api.setPassword({ password: next, ...(passwordSet ? { current } : {}) }),
    onSuccess: () => {
      notice(t('password.done'))
      onDone()
    },
  })
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    setTried(true)
    if (!short && next === again && !set.isPending) set.mutate()
  }
  return (
    <form onSubmit={submit} className={dialog.fields}>
      {!passwordSet && <p>{t('password.offer')}</p>}
      {set.isError && <ProblemNote error={set.error} />}
      {passwordSet && <PasswordInput label={t('password.current')} value={current} onChange={(e) => setCurrent(e.currentTarget.value)} autoComplete="current-password" data-autofocus />}
      <PasswordInput
        label={t('password.next')}
        description={t('password.rule', { min: shortestPassword })}
        error={tried && short ? t('password.short', { min: shortestPassword }) : undefined}
        value={next}
        onChange={(e) => setNext(e.currentTarget.value)}
        autoComplete="new-password"
        data-autofocus={!passwordSet}
      />
      <PasswordInput
        label={t('password.again')}
        error={tried && !short && next !== again ? t('password.different') : undefined}
        value={again}
        onChange={(e) => setAgain(e.currentTarget.value)}
        autoComplete="new-password"
      />
      <div className={dialog.buttons}>
        <Button type="submit">{t('password.save')}</Button>
        <Button variant="default" onClick={onLater}>
          {t('password.later')}
        </Button>
      </div>
    </form>
  )
}
