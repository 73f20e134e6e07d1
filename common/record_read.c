#include <string.h>
#include <towline/jwt.h>
#include <towline/record.h>
#include <towline/str.h>

#include "record_reader.h"

/* The seal counts the lines before it and names the last one's hash. */
static int check_seal(const struct tl_record_reader *reader, const char *session,
		      const struct tl_key *key, struct tl_err *err)
{
	const char *jws = json_string_value(json_object_get(reader->json, "jws"));
	tl_json *claims = NULL;
	int rc;

	if (!jws)
		return tl_err_set(err, TL_ESIG, "the recording's seal is empty");
	rc = tl_jwt_verify(key, TL_JWT_RECORDING, jws, strlen(jws), &claims, err);
	if (rc != 0) {
		tl_err_prefix(err, "the recording's seal");
		return rc;
	}
	if (!tl_streq(json_string_value(json_object_get(claims, "sha256")), reader->last) ||
	    (uint64_t)json_integer_value(json_object_get(claims, "lines")) != reader->lines - 1 ||
	    !tl_streq(json_string_value(json_object_get(claims, "session")), session))
		return tl_err_set(err, TL_ESIG,
				  "the recording's seal belongs to another recording");
	return 0;
}

static void count(const struct tl_record_reader *reader, struct tl_record_facts *facts)
{
	facts->lines = reader->lines;
	if (reader->lines > 1)
		facts->seconds = tl_record_reader_time(reader);
	memcpy(facts->head, reader->h, sizeof(facts->head));
	if (tl_record_reader_is(reader, "o"))
		facts->output_bytes += json_string_length(json_object_get(reader->json, "d"));
}

static void take_header(const struct tl_record_reader *reader, struct tl_record_facts *facts)
{
	const char *session = json_string_value(json_object_get(reader->json, "session"));
	const char *recorder = json_string_value(json_object_get(reader->json, "recorder"));

	snprintf(facts->session, sizeof(facts->session), "%s", session ? session : "");
	snprintf(facts->recorder, sizeof(facts->recorder), "%s", recorder ? recorder : "");
}

int tl_record_verify(FILE *in, const struct tl_key *key, struct tl_record_facts *ret_facts,
		     struct tl_err *err)
{
	tl_auto(tl_record_reader) struct tl_record_reader reader;
	struct tl_record_facts facts = {0};
	int rc = tl_record_reader_init(&reader, in, err);

	while (rc == 0 && (rc = tl_record_reader_next(&reader, err)) == 1) {
		if (facts.has_seal)
			return tl_err_set(err, TL_ESIG, "line %llu follows the recording's seal",
					  (unsigned long long)reader.lines);
		if (reader.lines == 1)
			take_header(&reader, &facts);
		facts.has_seal = tl_record_reader_is(&reader, "seal");
		rc = facts.has_seal && key ? check_seal(&reader, facts.session, key, err) : 0;
		if (rc != 0)
			return rc;
		facts.sealed = facts.has_seal && key;
		count(&reader, &facts);
	}
	if (rc != 0)
		return rc;
	if (facts.lines == 0)
		return tl_err_set(err, TL_EINVAL, "this is not a recording: it is empty");
	*ret_facts = facts;
	return 0;
}

int tl_record_countersigned(const char *jws, const struct tl_key *relay_key,
			    const struct tl_record_facts *facts, const char *sha256,
			    int64_t *ret_received_s, struct tl_err *err)
{
	tl_json *claims = NULL;
	int rc = tl_jwt_verify(relay_key, TL_JWT_RECORDING, jws, strlen(jws), &claims, err);

	if (rc != 0) {
		tl_err_prefix(err, "the relay's countersignature");
		return rc;
	}
	if (!tl_streq(json_string_value(json_object_get(claims, "session")), facts->session) ||
	    !tl_streq(json_string_value(json_object_get(claims, "sha256")), sha256) ||
	    !tl_streq(json_string_value(json_object_get(claims, "head")), facts->head) ||
	    (uint64_t)json_integer_value(json_object_get(claims, "lines")) != facts->lines)
		return tl_err_set(err, TL_ESIG,
				  "the relay's countersignature belongs to other bytes than these");
	*ret_received_s = json_integer_value(json_object_get(claims, "iat"));
	return 0;
}
