/* Is the recording what its recorder wrote and the relay received? Offline, with a proof and keys that were
 * noted elsewhere; online, with what the relay says. */
#include "cli/commands.h"
#include "cli/recording.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/id.h>
#include <towline/jwt.h>
#include <towline/record.h>

#define PROOF_MAX (256u * 1024)

static int read_key(const char *text, const char *whose, struct tl_key **ret_key,
		    struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf raw = TL_BUF_INIT(64);

	if (tl_base64url_decode(&raw, text, strlen(text)) != 0 || raw.len != TL_ED25519_PUBLIC_LEN)
		return tl_err_set(err, TL_EUSAGE,
				  "%s key is an Ed25519 public key: 43 characters of base64url",
				  whose);
	return tl_key_from_public((const uint8_t *)raw.data, ret_key, err);
}

static int hash_all(FILE *in, char hex[static TL_SHA256_HEX], struct tl_err *err)
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	uint8_t digest[TL_SHA256_LEN];
	char piece[16384];
	size_t got;

	if (!hash)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	rewind(in);
	while ((got = fread(piece, 1, sizeof piece, in)) > 0)
		tl_sha256_update(hash, piece, got);
	if (ferror(in))
		return tl_err_set(err, TL_EIO, "the recording cannot be read");
	tl_sha256_final(hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
	return 0;
}

/* The proof's keys of whoever must have sealed it, unless the command line names one. */
static json_t *sealing_keys(const struct tl_cli *cli, const json_t *proof, bool by_relay)
{
	const char *pinned = tl_cli_get(cli, by_relay ? "relay-key" : "host-key");
	const json_t *relay_key = json_object_get(proof, "relay_key");

	if (pinned)
		return json_pack("[s]", pinned);
	if (by_relay)
		return json_is_string(relay_key) ? json_pack("[O]", relay_key) : json_array();
	return json_incref(json_object_get(proof, "host_keys"));
}

static int check_seal(const struct tl_cli *cli, FILE *in, const json_t *proof,
		      struct tl_record_facts *facts, struct tl_err *err)
{
	bool by_relay = tl_streq(facts->recorder, "relay");
	tl_json *keys = sealing_keys(cli, proof, by_relay);
	const json_t *text;
	size_t at;
	int rc = 0;

	if (!facts->has_seal)
		return tl_err_set(err, TL_ESIG,
				  "the recording has no seal: it was cut off, by a crash or by "
				  "somebody");
	if (json_array_size(keys) == 0) {
		printf("seal      not checked: give --proof, or the %s key\n",
		       by_relay ? "relay's" : "host's");
		return 0;
	}
	json_array_foreach(keys, at, text)
	{
		tl_auto(tl_key) struct tl_key *key = NULL;

		rc = read_key(json_is_string(text) ? json_string_value(text) : "",
			      by_relay ? "the relay's" : "the host's", &key, err);
		if (rc)
			return rc;
		rewind(in);
		rc = tl_record_verify(in, key, facts, err);
		if (rc == 0) {
			printf("seal      by the %s, key %s\n", by_relay ? "relay" : "endpoint",
			       json_string_value(text));
			return 0;
		}
	}
	return rc;
}

static int check_countersignature(const struct tl_cli *cli, FILE *in, const json_t *proof,
				  const struct tl_record_facts *facts, struct tl_err *err)
{
	const char *jws = json_string_value(json_object_get(proof, "countersignature"));
	const char *text = tl_cli_get(cli, "relay-key");
	tl_auto(tl_key) struct tl_key *key = NULL;
	char sha256[TL_SHA256_HEX], when[TL_TIME_TEXT];
	int64_t received_s = 0;
	int rc;

	if (!text)
		text = json_string_value(json_object_get(proof, "relay_key"));
	if (tl_streq(facts->recorder, "relay") || !proof)
		return 0; /* the relay sealed it itself; or there is nothing to look at */
	if (!jws || !text)
		return tl_err_set(
			err, TL_ESIG,
			"the proof lacks the relay's countersignature of what it received");
	rc = read_key(text, "the relay's", &key, err);
	if (rc == 0)
		rc = hash_all(in, sha256, err);
	if (rc == 0)
		rc = tl_record_countersigned(jws, key, facts, sha256, &received_s, err);
	if (rc)
		return rc;
	tl_time_rfc3339(received_s * 1000, when);
	printf("received  by the relay, countersigned at %s, key %s\n", when, text);
	return 0;
}

static int load_proof(const struct tl_cli *cli, json_t **ret_proof, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(PROOF_MAX);
	const char *file = tl_cli_get(cli, "proof"), *operand = tl_cli_operand(cli, 0);
	int rc;

	if (!file && !tl_id_is_valid(operand))
		return 0;
	if (!file)
		return tl_recording_proof(cli, operand, ret_proof, err);
	rc = tl_fs_read_file(AT_FDCWD, file, &text, err);
	if (rc == 0 && (tl_json_parse(text.data, text.len, ret_proof, NULL) != 0 ||
			!json_is_object(*ret_proof)))
		rc = tl_err_set(err, TL_EINVAL, "%s is not a proof", file);
	return rc;
}

static int check(const struct tl_cli *cli, FILE *in, const json_t *proof, struct tl_err *err)
{
	struct tl_record_facts facts = {.lines = 0};
	const char *named = json_string_value(json_object_get(proof, "session"));
	int rc = tl_record_verify(in, NULL, &facts, err);

	if (rc)
		return rc;
	printf("chain     holds: %" PRIu64 " lines, %" PRIu64 " bytes of output, %.1f s\n"
	       "head      %s\n",
	       facts.lines, facts.output_bytes, facts.seconds, facts.head);
	if (proof && !tl_streq(named, facts.session))
		return tl_err_set(err, TL_ESIG, "the proof is of another session: %s",
				  named ? named : "-");
	rc = check_seal(cli, in, proof, &facts, err);
	return rc ? rc : check_countersignature(cli, in, proof, &facts, err);
}

int tl_command_session_verify(const struct tl_cli *cli, struct tl_err *err)
{
	tl_json *proof = NULL;
	FILE *in = NULL;
	int rc = load_proof(cli, &proof, err);

	if (rc == 0)
		rc = tl_recording_open(cli, tl_cli_operand(cli, 0), &in, err);
	if (rc)
		return rc;
	rc = check(cli, in, proof, err);
	fclose(in);
	return rc;
}
