// A page's heading takes the focus when the page opens, so that the keyboard and a
// screen reader start where the eye does.
import { useEffect, useRef, type ReactNode } from 'react'

export function Heading({ children, document: title, focus = true }: { children: ReactNode; document: string; focus?: boolean }) {
  const ref = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    if (focus) ref.current?.focus({ preventScroll: true })
  }, [focus])
  useEffect(() => {
    document.title = `${title} · Vùng Xa`
  }, [title])
  return (
    <h1 ref={ref} tabIndex={-1}>
      {children}
    </h1>
  )
}
