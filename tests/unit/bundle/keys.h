/* Keys and certificates of recipients, made for one test. */
#ifndef TOWLINE_TEST_KEYS_H
#define TOWLINE_TEST_KEYS_H

#include <towline/buf.h>

enum keys_kind { KEYS_RSA, KEYS_RSA_SHORT, KEYS_EC, KEYS_ED25519 };

struct keys {
	struct tl_buf cert_pem;
	char key_path[64], cert_path[64]; /* files in /tmp, removed by keys_clear */
};
/* A self-signed certificate for `name`, with its key. */
void keys_make(enum keys_kind kind, const char *name, struct keys *ret_keys);
void keys_clear(struct keys *keys);
TL_DEFINE_AUTO(keys, keys_clear);

#endif
