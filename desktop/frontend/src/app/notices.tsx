// Short confirmations at the edge of the page, read out by screen readers.
import { createContext, useCallback, useContext, useEffect, useState, type ReactNode } from 'react'
import css from './notices.module.css'

type Notice = { id: number; text: string; detail: string | undefined }

const NoticeContext = createContext<(text: string, detail?: string) => void>(() => undefined)

export function useNotice() {
  return useContext(NoticeContext)
}

const shownMs = 6_000

export function Notices({ children }: { children: ReactNode }) {
  const [notice, setNotice] = useState<Notice | null>(null)
  const say = useCallback((text: string, detail?: string) => {
    setNotice((last) => ({ id: (last?.id ?? 0) + 1, text, detail }))
  }, [])
  useEffect(() => {
    if (notice === null) return
    const timer = setTimeout(() => setNotice(null), shownMs)
    return () => clearTimeout(timer)
  }, [notice])
  return (
    <NoticeContext value={say}>
      {children}
      <div role="status" aria-live="polite" className={css.place}>
        {notice !== null && (
          <div key={notice.id} className={css.notice}>
            <strong>{notice.text}</strong>
            {notice.detail !== undefined && <span>{notice.detail}</span>}
          </div>
        )}
      </div>
    </NoticeContext>
  )
}
