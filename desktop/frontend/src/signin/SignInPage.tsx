// The way in: a one-time code from the printed link, or an officer and a password.
import { Button, PasswordInput, Select, TextInput } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState, type SyntheticEvent } from 'react'
import type { Api } from '../api/client'
import type { Officer, SignedIn } from '../api/types'
import { shortcutsOff } from '../app/shortcuts'
import { useWords } from '../i18n'
import { LanguageSwitch } from '../ui/LanguageSwitch'
import { Note } from '../ui/Note'
import { ProblemNote } from '../ui/ProblemNote'
import css from './signin.module.css'

export type Entry = { signedIn: SignedIn; byCode: boolean }

type Props = {
  api: Api
  /** The code of the link that opened the page; used once, by itself. */
  code: string | null
  reason: 'none' | 'expired' | 'signedOut'
  /** Whose session ended; preselected. */
  officer: string | null
  onEnter: (entry: Entry) => void
}

export function SignInPage({ api, code, reason, officer, onEnter }: Props) {
  const { t } = useWords()
  const byCode = useMutation({
    networkMode: 'always',
    mutationFn: (typed: string) => api.signIn({ code: typed }),
    onSuccess: (signedIn) => onEnter({ signedIn, byCode: true }),
  })
  useOnce(code, byCode.mutate)
  useEffect(() => {
    document.title = `${t('signIn.title')} · Vùng Xa`
  }, [t])
  return (
    <div className={css.page} {...shortcutsOff}>
      <main className={css.box}>
        <div className={css.brand}>
          <img src="/mark.svg" alt="" width={40} height={40} />
          <h1>Vùng Xa</h1>
          <LanguageSwitch />
        </div>
        {reason === 'expired' && <Note tone="wait" title={t('signIn.expired')} alert />}
        {reason === 'signedOut' && <Note tone="plain" title={t('signIn.signedOut')} />}
        {byCode.isPending && <p role="status">{t('signIn.withCode')}</p>}
        {byCode.isError && <ProblemNote error={byCode.error} title={t('signIn.codeFailed')} />}
        <PasswordForm api={api} officer={officer} onEnter={onEnter} />
        <CodeForm send={byCode.mutate} />
      </main>
    </div>
  )
}

/** A one-time code must be sent once, however often React runs the effect. */
function useOnce(code: string | null, use: (code: string) => void) {
  const used = useRef<string | null>(null)
  useEffect(() => {
    if (code === null || used.current === code) return
    used.current = code
    use(code)
  }, [code, use])
}

function PasswordForm({ api, officer, onEnter }: Pick<Props, 'api' | 'officer' | 'onEnter'>) {
  const { t } = useWords()
  const officers = useQuery({ queryKey: ['officers'], queryFn: api.officers, networkMode: 'always', retry: false })
  const [picked, setPicked] = useState(officer)
  const [password, setPassword] = useState('')
  const chosen = picked ?? onlyOne(officers.data)
  const signIn = useMutation({
    networkMode: 'always',
    mutationFn: (body: { officer: string; password: string }) => api.signIn(body),
    onSuccess: (signedIn) => onEnter({ signedIn, byCode: false }),
  })
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    if (chosen !== null && password !== '' && !signIn.isPending) signIn.mutate({ officer: chosen, password })
  }
  if (officers.isError) return <ProblemNote error={officers.error} />
  if (officers.data?.length === 0) return <Note tone="plain">{t('signIn.noOfficers')}</Note>
  return (
    <form onSubmit={submit} className={css.form}>
      {signIn.isError && <ProblemNote error={signIn.error} title={t('signIn.failed')} />}
      <Select
        label={t('signIn.officer')}
        placeholder={t('form.choose')}
        data={(officers.data ?? []).map(({ id, name }) => ({ value: id, label: name }))}
        value={chosen}
        onChange={setPicked}
        allowDeselect={false}
        autoFocus={officer === null}
        name="officer"
      />
      <PasswordInput label={t('signIn.password')} value={password} onChange={(e) => setPassword(e.currentTarget.value)} name="password" autoComplete="current-password" autoFocus={officer !== null} />
      <Button type="submit" size="sm">
        {signIn.isPending ? t('signIn.working') : t('signIn.submit')}
      </Button>
      <p className={css.hint}>{t('signIn.hint')}</p>
    </form>
  )
}

function onlyOne(officers: Officer[] | undefined): string | null {
  return officers?.length === 1 ? (officers[0]?.id ?? null) : null
}

function CodeForm({ send }: { send: (code: string) => void }) {
  const { t } = useWords()
  const [code, setCode] = useState('')
  const submit = (event: SyntheticEvent) => {
    event.preventDefault()
    if (code.trim() !== '') send(code.trim())
  }
  return (
    <form onSubmit={submit} className={css.codeForm}>
      <TextInput label={t('signIn.codeLabel')} placeholder="XXXX-XXXX-XXXX" value={code} onChange={(e) => setCode(e.currentTarget.value)} name="code" autoComplete="one-time-code" />
      <Button type="submit" variant="default" size="sm">
        {t('signIn.useCode')}
      </Button>
    </form>
  )
}
