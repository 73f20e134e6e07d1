/* Private keys in OpenSSH's own format (openssh/PROTOCOL.key), without a passphrase. */
#include <string.h>
#include <towline/crypto.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#define SEED_LEN 32
#define PKCS8_LEN 48 /* RFC 8410 §7: a fixed prefix, then the seed */

/* The seed stands at the end of the PEM's only block. */
static int seed_of(const struct tl_key *key, uint8_t seed[static SEED_LEN])
{
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_SECRET_INIT(1024);
	tl_auto(tl_buf) struct tl_buf flat = TL_BUF_SECRET_INIT(1024);
	tl_auto(tl_buf) struct tl_buf der = TL_BUF_SECRET_INIT(1024);
	const char *at, *end;

	if (tl_key_pem(key, &pem) != 0)
		return TL_EINVAL;
	at = strchr(tl_buf_str(&pem), '\n');
	end = at ? strstr(at, "\n-----END") : NULL;
	for (; end && at < end; at++)
		if (*at != '\n')
			tl_buf_putc(&flat, *at);
	if (!end || tl_base64_decode(&der, tl_buf_str(&flat), flat.len) != 0 ||
	    der.len != PKCS8_LEN)
		return TL_EINVAL;
	memcpy(seed, der.data + PKCS8_LEN - SEED_LEN, SEED_LEN);
	return 0;
}

static void put_private_part(struct tl_buf *out, const uint8_t seed[static SEED_LEN],
			     const uint8_t public[static TL_ED25519_PUBLIC_LEN],
			     const char *comment)
{
	tl_auto(tl_buf) struct tl_buf part = TL_BUF_SECRET_INIT(512);

	tl_ssh_put_u32(&part,
		       0x746f776c); /* the same number twice: what a passphrase is checked by */
	tl_ssh_put_u32(&part, 0x746f776c);
	tl_ssh_put_text(&part, "ssh-ed25519");
	tl_ssh_put_string(&part, public, TL_ED25519_PUBLIC_LEN);
	tl_ssh_put_u32(&part, SEED_LEN + TL_ED25519_PUBLIC_LEN);
	tl_buf_append(&part, seed, SEED_LEN);
	tl_buf_append(&part, public, TL_ED25519_PUBLIC_LEN);
	tl_ssh_put_text(&part, comment);
	for (char pad = 1; part.len % 8 != 0; pad++)
		tl_buf_putc(&part, pad);
	tl_ssh_put_string(out, part.data, part.len);
}

int tl_sshkey_private(const struct tl_key *key, const char *comment, struct tl_buf *out)
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(128);
	tl_auto(tl_buf) struct tl_buf file = TL_BUF_SECRET_INIT(1024);
	uint8_t public[TL_ED25519_PUBLIC_LEN], seed[SEED_LEN];
	int rc = seed_of(key, seed);

	if (rc != 0)
		return rc;
	tl_key_public(key, public);
	tl_ssh_put_text(&blob, "ssh-ed25519");
	tl_ssh_put_string(&blob, public, sizeof(public));
	tl_buf_append(&file, "openssh-key-v1", sizeof("openssh-key-v1"));
	tl_ssh_put_text(&file, "none");
	tl_ssh_put_text(&file, "none");
	tl_ssh_put_text(&file, "");
	tl_ssh_put_u32(&file, 1);
	tl_ssh_put_string(&file, blob.data, blob.len);
	put_private_part(&file, seed, public, comment);
	tl_wipe(seed, sizeof(seed));
	tl_buf_puts(out, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
	tl_base64_encode(out, file.data, file.len);
	tl_buf_puts(out, "\n-----END OPENSSH PRIVATE KEY-----\n");
	return tl_buf_check(out);
}
