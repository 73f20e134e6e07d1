/* Claims of a grant, signed as an authority gone wrong would sign them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <towline/grant.h>
#include <towline/jwt.h>

#define HOST "01aryz6s410000000000000002"

static void check(const struct tl_grant *grant)
{
	if (strcmp(grant->host, HOST) != 0 || grant->keys.count == 0 ||
	    grant->keys.count > TL_GRANT_KEYS_MAX || !grant->scopes ||
	    grant->scopes & ~TL_SCOPE_ALL || grant->max_s > TL_GRANT_SESSION_MAX_S ||
	    grant->expires_ms - grant->issued_ms > TL_GRANT_LIFE_MAX_MS)
		abort();
	for (size_t i = 0; i < grant->keys.count; i++) {
		const char *line = grant->keys.items[i];

		if (memmem(line, strcspn(line, " "), "-cert-", strlen("-cert-")))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tl_key *authority;
	tl_auto(tl_grant) struct tl_grant grant = {.session = ""};
	tl_auto(tl_buf) struct tl_buf token = TL_BUF_INIT(TL_JWT_MAX);
	tl_json *claims = NULL;
	struct tl_err err = TL_ERR_INIT;
	struct tl_clock_fake clock;

	if (!authority && tl_key_generate(&authority, &err))
		abort();
	tl_clock_fake_init(&clock, INT64_C(1772357400000));
	if (tl_json_parse((const char *)data, size, &claims, &err) ||
	    tl_jwt_sign(authority, TL_JWT_GRANT, claims, &token, &err))
		return 0;
	if (tl_grant_verify(token.data, token.len, authority, HOST, &clock.clock, &grant, &err) ==
	    0)
		check(&grant);
	return 0;
}
