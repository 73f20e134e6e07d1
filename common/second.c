#include <towline/second.h>

#include <stdio.h>
#include <string.h>
#include <towline/jwt.h>
#include <towline/str.h>

int tl_second_sign(const struct tl_second_statement *statement, const struct tl_key *authority,
		   const struct tl_clock *clock, struct tl_buf *out, struct tl_err *err)
{
	int64_t now_s = tl_clock_wall_ms(clock) / 1000;
	tl_json *claims =
		json_pack("{s:s, s:s, s:s, s:I, s:I}", "session", statement->session, "sub",
			  statement->engineer, "name", statement->name, "iat", (json_int_t)now_s,
			  "exp", (json_int_t)(now_s + TL_SECOND_LIFE_MS / 1000));

	if (!claims)
		return tl_err_set(err, TL_EINVAL, "the second engineer's name is not UTF-8");
	return tl_jwt_sign(authority, TL_JWT_SECOND, claims, out, err);
}

struct claims {
	const char *session, *sub, *name;
	int64_t iat, exp;
};

#define AT(member) offsetof(struct claims, member)

static const struct tl_json_member members[] = {
	{"exp", TL_JSON_INT, true, AT(exp), 0, INT64_MAX / 2000},
	{"iat", TL_JSON_INT, true, AT(iat), 0, INT64_MAX / 2000},
	{"name", TL_JSON_TEXT, true, AT(name), 1, 128},
	{"session", TL_JSON_ID, true, AT(session), 0, TL_ID_LEN},
	{"sub", TL_JSON_NAME, true, AT(sub), 0, 64},
};

int tl_second_verify(const char *token, const struct tl_key *authority, const char *session,
		     const struct tl_clock *clock, struct tl_second_statement *ret_statement,
		     struct tl_err *err)
{
	tl_json *json = NULL;
	struct claims claims = {.iat = 0};
	int rc = tl_jwt_verify(authority, TL_JWT_SECOND, token, strlen(token), &json, err);

	if (rc == 0)
		rc = tl_json_read(json, members, TL_ARRAY_LEN(members), &claims, err);
	if (rc == 0)
		rc = tl_jwt_check_times(json, clock, err);
	if (rc != 0)
		return rc;
	if (claims.exp - claims.iat > TL_SECOND_LIFE_MS / 1000)
		return tl_err_set(err, TL_EINVAL, "the second engineer's statement lives too long");
	if (!tl_streq(claims.session, session))
		return tl_err_set(err, TL_EDENIED,
				  "the second engineer joined another session than this");
	snprintf(ret_statement->session, sizeof(ret_statement->session), "%s", claims.session);
	snprintf(ret_statement->engineer, sizeof(ret_statement->engineer), "%s", claims.sub);
	snprintf(ret_statement->name, sizeof(ret_statement->name), "%s", claims.name);
	ret_statement->expires_ms = claims.exp * 1000;
	return 0;
}
