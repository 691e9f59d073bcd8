// A council's sign-in for tests: the certified oidc-provider, over HTTP, with its own made-up log-in pages.
// Arguments: port, the board's address. Whoever logs in has the address they give as login.
import Provider from "oidc-provider";

const [port, board] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "board", client_secret: "a-secret-for-tests-only", redirect_uris: [`${board}/sign-in/back`],
    response_types: ["code"], grant_types: ["authorization_code"],
  }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["employee_number"] },
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id, email_verified: !id.startsWith("unverified"), employee_number: id }),
  }),
  cookies: { keys: ["only for tests"] },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
