/* A bundle against its signature. Part of towline/bundle_inspect.h. */
#include <towline/bundle_inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <towline/bundle.h>
#include <towline/fs.h>
#include <towline/jwt.h>
#include <towline/str.h>

static int make_key(const char *text, struct tl_key **ret_key, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_INIT(TL_ED25519_PUBLIC_LEN);

	if (tl_base64url_decode(&bytes, text, strlen(text)) || tl_buf_check(&bytes) ||
	    bytes.len != TL_ED25519_PUBLIC_LEN)
		return tl_err_set(err, TL_EINVAL,
				  "the host's key is 43 characters of base64url: %.60s is not",
				  text);
	return tl_key_from_public((const uint8_t *)bytes.data, ret_key, err);
}

static int read_claims(const struct tl_bundle_signature *signature, json_t **ret_claims,
		       struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf jws = TL_BUF_INIT(TL_JWT_MAX);
	tl_auto(tl_key) struct tl_key *key = NULL;
	tl_json *header = NULL;
	int r = tl_fs_read_file(AT_FDCWD, signature->path, &jws, err);

	if (r < 0)
		return r;
	while (jws.len > 0 && (jws.data[jws.len - 1] == '\n' || jws.data[jws.len - 1] == ' '))
		jws.len--;
	if (!signature->public_key)
		return tl_jwt_peek(jws.data, jws.len, &header, ret_claims, err);
	r = make_key(signature->public_key, &key, err);
	return r < 0 ? r : tl_jwt_verify(key, TL_JWT_BUNDLE, jws.data, jws.len, ret_claims, err);
}

static int same(const json_t *claims, const char *name, const char *expected, struct tl_err *err)
{
	const char *said = json_string_value(json_object_get(claims, name));

	if (tl_streq(said, expected))
		return 0;
	return tl_err_set(err, TL_ESIG, "the signature is for another bundle: its %s is %.70s",
			  name, said ? said : "missing");
}

int tl_bundle_verify(int fd, const struct tl_bundle_signature *signature, struct tl_err *err)
{
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	tl_json *claims = NULL;
	int r = lseek(fd, 0, SEEK_SET) == 0
			? tl_bundle_check(fd, &tl_bundle_limits_default, &facts, err)
			: tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read again");

	if (r == 0)
		r = read_claims(signature, &claims, err);
	if (r == 0)
		r = same(claims, "sha256",
			 signature->file_sha256 ? signature->file_sha256 : facts.sha256, err);
	if (r == 0)
		r = same(claims, "index_sha256", facts.index_sha256, err);
	if (r == 0)
		r = same(claims, "bundle", facts.id, err);
	return r;
}
