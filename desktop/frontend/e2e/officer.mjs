// What an officer does on a page, in the page's own words.

/** A page that remembers what must not happen: requests to other hosts, errors in the console. */
export async function openOffice(browser, node) {
  const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: 'vi-VN', timezoneId: 'America/New_York' })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const faults = []
  const host = new URL(node.url).host
  page.on('request', (request) => {
    if (new URL(request.url()).host !== host) faults.push(`request to ${request.url()}`)
  })
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`console: ${message.text()} ${message.location().url}`)
  })
  page.on('pageerror', (error) => faults.push(`page: ${error.message}`))
  return { page, node, faults, base: node.url.replace(/\/$/, '') }
}

export async function signInByLink({ page, node }) {
  await page.goto(node.sign_in)
  await page.getByRole('dialog', { name: 'Đặt mật khẩu để lần sau đăng nhập' }).waitFor()
  if (page.url().includes('code')) throw new Error('the one-time code is still in the address bar')
}

export async function postponePassword({ page }) {
  await page.getByRole('button', { name: 'Để sau' }).click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
}

/** Waits until `read` gives what `good` accepts; says what it last gave when it doesn't. */
export async function until(what, read, good, withinMs = 90_000) {
  const deadline = performance.now() + withinMs
  let last
  for (;;) {
    last = await read()
    if (good(last)) return last
    if (performance.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(last)} after ${withinMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** How many records the list on the page has in all. */
export const total = async ({ page }) => Number(await page.locator('main [data-total]').getAttribute('data-total'))

/** A figure of the strip as a number; null where the page says that there is none. */
export async function figure({ page }, set, id) {
  const text = await page.locator(`[data-set="${set}"] [data-figure="${id}"] dd`).innerText()
  const digits = text.replace(/[^\d]/g, '')
  return digits === '' ? null : Number(digits)
}

export async function unsent({ page }) {
  return Number(await page.locator('header [data-unsent]').getAttribute('data-unsent'))
}

/** Sections by their place: 1 is the first collection. */
export async function toSection({ page }, name) {
  await page.getByRole('navigation', { name: 'Các mục' }).getByRole('link', { name }).click()
  await page.getByRole('heading', { level: 1 }).waitFor()
}

/** Cuts or restores every line of this node. */
export async function setLines(office, action) {
  const { page } = office
  await toSection(office, 'Trình diễn')
  const buttons = page.locator(`main [data-action="${action}"]`)
  await page.locator('main [data-action]').first().waitFor()
  for (let left = await buttons.count(); left > 0; left--) {
    const before = await buttons.count()
    await buttons.first().click()
    await until(`lines to ${action}`, () => buttons.count(), (now) => now < before)
  }
}

/** Cuts or restores the line of this node to the peers in one role. */
export async function setLineTo(office, role, action) {
  await toSection(office, 'Trình diễn')
  await office.page.locator(`main [data-role="${role}"] [data-action="${action}"]`).click()
  await office.page.locator(`main [data-role="${role}"] [data-action="${action}"]`).waitFor({ state: 'detached' })
}

/** Has the page believe that the node's clock is some days further; returns how to end that. */
export async function daysLater({ page }, days) {
  const node = '**/api/v0/node'
  await page.route(node, async (route) => {
    const response = await route.fetch()
    const json = await response.json()
    await route.fulfill({ response, json: { ...json, now_ms: json.now_ms + days * 86_400_000 } })
  })
  await page.reload()
  return () => page.unroute(node)
}

export async function search({ page }, text) {
  await page.getByRole('searchbox', { name: 'Tìm kiếm' }).fill(text)
  await page.keyboard.press('Enter')
}

export async function openRecord({ page, base }, path) {
  await page.goto(base + path)
  await page.locator('main dl').first().waitFor()
}

/** The id that ends a record's address. */
export const idOf = (path) => path.split('/').at(-1)

export async function openInbox({ page }) {
  await page.locator('header [data-inbox]').click()
  await page.getByRole('heading', { level: 1, name: 'Việc cần xem' }).waitFor()
}

export async function openHistory({ page }) {
  await page.locator('main h1').focus()
  await page.keyboard.press('h')
  await page.locator('[data-history="true"] [data-save]').first().waitFor()
}

/** Deletes the record on the page by keys alone: asked once, and Enter alone keeps it. */
export async function deleteRecord({ page }) {
  await page.locator('main h1').focus()
  await page.keyboard.press('Delete')
  const dialog = page.getByRole('dialog', { name: 'Xóa bản ghi này?' })
  await dialog.getByRole('button', { name: 'Thôi, giữ lại' }).and(page.locator(':focus')).waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  await page.locator('main [data-deleted]').waitFor()
}

export const tickOfRecord = ({ page }) => page.locator('main section[data-tick]').getAttribute('data-tick')

export const input = ({ page }, label) => page.locator('form').getByLabel(label, { exact: true }).and(page.locator('input, textarea'))

/** Changes one field of the record on the page and saves by the keyboard. */
export async function editField(office, label, text) {
  const { page } = office
  await page.locator('main h1').focus()
  await page.keyboard.press('e')
  await input(office, label).fill(text)
  await page.keyboard.press('Control+Enter')
  await page.locator('main form').waitFor({ state: 'detached' })
  await page.getByText('Đã lưu trên máy này.').waitFor()
}

/** "23/11/2026 16:30" in office time. */
export function officeTime(ms) {
  const iso = new Date(ms + 7 * 3_600_000).toISOString()
  return `${iso.slice(8, 10)}/${iso.slice(5, 7)}/${iso.slice(0, 4)} ${iso.slice(11, 16)}`
}
