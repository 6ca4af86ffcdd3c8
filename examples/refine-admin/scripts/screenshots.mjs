// Takes the pictures of the documentation: node scripts/screenshots.mjs FOLDER
import { launch, openWindow, startShop } from "../test/shop.mjs";

const folder = process.argv[2];
if (!folder) throw new Error("usage: node scripts/screenshots.mjs FOLDER");
const shop = await startShop();
const browser = await launch();
try {
  await dashboard();
  await twoWindows();
} finally {
  await browser.close();
  await shop.stop();
}

async function dashboard() {
  const page = await openWindow(browser, shop, "Eva", { width: 1280, height: 792 });
  await page.getByRole("button", { name: "Place a sample order" }).click();
  await page.locator("[data-testid=feed] .fresh").first().waitFor();
  await page.locator(".ant-notification-notice-close").click();
  await page.locator(".ant-notification-notice").waitFor({ state: "detached" });
  await page.mouse.move(640, 250);
  await page.screenshot({ path: `${folder}/refine-admin.png` });
  await page.context().close();
}

/** Eva moves an order on; at the same moment Tom's list has it. */
async function twoWindows() {
  const size = { width: 800, height: 640 };
  const [eva, tom] = [await openWindow(browser, shop, "Eva", { path: "/orders", ...size }), await openWindow(browser, shop, "Tom", { path: "/orders", dark: true, ...size })];
  const [button] = [eva.getByRole("button", { name: /^Mark/ }).nth(1)];
  await Promise.all([button.waitFor(), tom.getByRole("button", { name: /^Mark/ }).first().waitFor()]);
  await tom.waitForTimeout(500); // the tables fade in
  await button.click();
  await tom.locator("tr[class*=flash-]").waitFor();
  await tom.waitForTimeout(250);
  const pictures = await Promise.all([eva, tom].map((page) => page.screenshot()));
  const frame = await browser.newPage({ viewport: { width: 1680, height: 720 } });
  await frame.setContent(`<style>
    body { margin: 0; background: linear-gradient(120deg, #cfe8e4, #d7dfec); display: flex; gap: 24px; padding: 26px 28px; }
    div { border-radius: 10px; overflow: hidden; box-shadow: 0 12px 36px #0f1d2c40; height: 668px; }
    p { margin: 0; height: 28px; background: #e4e7eb; display: flex; align-items: center; gap: 7px; padding: 0 12px; } div:last-child p { background: #23282f; }
    i { width: 10px; height: 10px; border-radius: 50%; background: #b8bfc8; } div:last-child i { background: #4b535e; }
    img { display: block; }
  </style>${pictures.map((p) => `<div><p><i></i><i></i><i></i></p><img src="data:image/png;base64,${p.toString("base64")}"></div>`).join("")}`);
  await frame.screenshot({ path: `${folder}/refine-admin-two-windows.png` });
}
