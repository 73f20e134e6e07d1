#include "ssh/office.h"

#include <fcntl.h>
#include <stdio.h>
#include <towline/fs.h>
#include <towline/sshkey.h>
#include <towline/str.h>

#include "desk/attend.h"
#include "desk/desk.h"
#include "desk/revocation.h"
#include "ssh/krl.h"

struct worker {
	struct tl_desk *desk;
	struct tl_store *store;
};

static int office_open(void *arg, void **ret_worker, struct tl_err *err)
{
	tl_free struct worker *worker = calloc(1, sizeof(*worker));
	int rc;

	if (!worker)
		return tl_err_set(err, TL_ENOMEM, "out of memory");
	worker->desk = arg;
	rc = tl_store_open(worker->desk->store_url, &worker->store, err);
	if (rc == 0)
		*ret_worker = tl_steal(&worker);
	return rc;
}

static void office_close(void *arg)
{
	struct worker *worker = arg;

	tl_store_close(worker->store);
	free(worker);
}

/* The fingerprint of a key that was read before, from its base64. */
static void fingerprint_of(const char *key_text, char fingerprint[static TL_SSH_FINGERPRINT_MAX])
{
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);

	if (tl_base64_decode(&blob, key_text, strlen(key_text)))
		tl_buf_reset(&blob);
	tl_sshkey_fingerprint(tl_buf_str(&blob), blob.len, fingerprint);
}

/* The whole of a file that the configuration names; nothing for none. */
static int read_list(const char *path, struct tl_buf *out, struct tl_err *err)
{
	return path && *path ? tl_fs_read_file(AT_FDCWD, path, out, err) : 0;
}

static int check_krl(const struct tl_buf *list, const char *key_text,
		     const struct tl_certificate *certificate, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);
	tl_auto(tl_buf) struct tl_buf authority = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);
	struct tl_krl_query query = {.key_id = ""};

	if (tl_base64_decode(&key, key_text, strlen(key_text)) ||
	    (certificate && tl_base64_decode(&authority, certificate->authority_text,
					     strlen(certificate->authority_text))))
		return tl_err_set(err, TL_EAUTH, "the key is damaged");
	query.key = (struct tl_ssh_string){(const uint8_t *)tl_buf_str(&key), key.len};
	if (certificate) {
		query.authority = (struct tl_ssh_string){(const uint8_t *)tl_buf_str(&authority),
							 authority.len};
		query.serial = certificate->serial;
		query.key_id = certificate->key_id;
	}
	return tl_krl_check(list->data, list->len, &query, err);
}

/* By the file, which is a list of lines or OpenSSH's own. `certificate` NULL: a plain key. */
static int check_file(const char *path, const char *key_text,
		      const struct tl_certificate *certificate, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf list = TL_BUF_INIT(TL_CERTIFICATE_LIST_MAX);
	int rc = read_list(path, &list, err);

	if (rc)
		return rc;
	if (tl_krl_is(list.data, list.len))
		return check_krl(&list, key_text, certificate, err);
	if (strlen(tl_buf_str(&list)) != list.len)
		return tl_err_set(err, TL_EAUTH, "%s is neither text nor a key revocation list",
				  path);
	return tl_certificate_judge_revoked(tl_buf_str(&list), key_text, certificate, err);
}

static int office_engineer(void *arg, const char *key_text, struct tl_engineer *ret_engineer,
			   struct tl_err *err)
{
	struct worker *worker = arg;
	char fingerprint[TL_SSH_FINGERPRINT_MAX];
	int rc = tl_session_engineer(worker->store, key_text, ret_engineer, err);

	if (rc == 0)
		rc = check_file(worker->desk->ssh_revoked, key_text, NULL, err);
	if (rc)
		return rc;
	fingerprint_of(key_text, fingerprint);
	return tl_revocation_check(worker->store,
				   &(struct tl_revocation_query){.fingerprint = fingerprint}, err);
}

/* The relay's own authority stands beside those of the file. */
static int read_authorities(const struct tl_desk *desk, struct tl_buf *out, struct tl_err *err)
{
	int rc = read_list(desk->ssh_authorities, out, err);

	if (rc == 0 && desk->ssh_ca) {
		tl_buf_putc(out, '\n');
		tl_key_ssh_line(desk->ssh_ca, "", out);
		rc = tl_buf_check(out);
	}
	return rc;
}

static bool is_own(const struct tl_desk *desk, const struct tl_certificate *certificate)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(1024), blob = TL_BUF_INIT(1024);
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(1024);

	if (!desk->ssh_ca)
		return false;
	tl_key_ssh_line(desk->ssh_ca, "", &line);
	if (tl_sshkey_of_line(tl_buf_str(&line), &blob, NULL))
		return false;
	tl_base64_encode(&text, blob.data, blob.len);
	return tl_streq(tl_buf_str(&text), certificate->authority_text);
}

/* By the store's list. Serials are each authority's own: those of the list are of the relay's. */
static int check_revoked(struct worker *worker, const struct tl_certificate *certificate, bool own,
			 struct tl_err *err)
{
	char serial[24], fingerprint[TL_SSH_FINGERPRINT_MAX], authority[TL_SSH_FINGERPRINT_MAX];

	snprintf(serial, sizeof(serial), "%llu", (unsigned long long)certificate->serial);
	fingerprint_of(certificate->key_text, fingerprint);
	fingerprint_of(certificate->authority_text, authority);
	return tl_revocation_check(worker->store,
				   &(struct tl_revocation_query){.serial = own ? serial : NULL,
								 .key_id = certificate->key_id,
								 .fingerprint = fingerprint,
								 .authority = authority},
				   err);
}

static int office_certified(void *arg, const char *text, const char *address,
			    struct tl_certificate *ret_certificate,
			    struct tl_engineer *ret_engineer, struct tl_err *err)
{
	struct worker *worker = arg;
	tl_auto(tl_buf) struct tl_buf blob = TL_BUF_INIT(TL_CERTIFICATE_BYTES_MAX);
	tl_auto(tl_buf) struct tl_buf authorities = TL_BUF_INIT(TL_CERTIFICATE_LIST_MAX);
	struct tl_certificate_rules rules = {
		.now_s = tl_clock_wall_ms(worker->desk->clock) / 1000,
		.address = address,
	};
	int rc = tl_base64_decode(&blob, text, strlen(text));

	if (rc == 0)
		rc = tl_certificate_read(blob.data, blob.len, ret_certificate, err);
	if (rc == 0)
		rc = read_authorities(worker->desk, &authorities, err);
	rules.authorities = tl_buf_str(&authorities);
	ret_certificate->is_of_known =
		rc == 0 && strstr(rules.authorities, ret_certificate->authority_text) != NULL;
	if (rc == 0)
		rc = tl_certificate_judge(ret_certificate, &rules, err);
	if (rc == 0)
		rc = check_file(worker->desk->ssh_revoked, ret_certificate->key_text,
				ret_certificate, err);
	if (rc == 0) {
		bool own = is_own(worker->desk, ret_certificate);

		/* Anybody's authority can write the extension; it means something in ours alone. */
		ret_certificate->second_factor &= own;
		rc = check_revoked(worker, ret_certificate, own, err);
	}
	return rc < 0 ? rc
		      : tl_session_principal(worker->store, &ret_certificate->principals,
					     ret_engineer, err);
}

static int office_factor(void *arg, const char *engineer_id, bool *ret_needed, struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_factor_needed(worker->store, worker->desk->factor_rule, engineer_id, ret_needed,
				err);
}

static int office_code(void *arg, const struct tl_engineer *engineer, const char *code,
		       const char *address, struct tl_err *err)
{
	struct worker *worker = arg;
	const struct tl_factor_try asked = {engineer->id, engineer->login, code, address};

	return tl_factor_check(worker->store, worker->desk->clock, &worker->desk->vault, &asked,
			       err);
}

static int write_note(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct tl_login_note *note = arg;

	return tl_change_tell(
		change,
		&(struct tl_fact){.action = note->is_login ? "ssh.login" : "ssh.refuse",
				  .object_kind = *note->login ? "user" : "ssh-certificate",
				  .object = *note->login ? note->login : note->certificate,
				  .detail = note->is_login ? json_pack("{s:s}", "certificate",
								       note->certificate)
							   : json_pack("{s:s, s:s}", "certificate",
								       note->certificate, "reason",
								       note->reason)},
		err);
}

static int office_note(void *arg, const struct tl_login_note *note, struct tl_err *err)
{
	struct worker *worker = arg;
	struct tl_login_note copy = *note;
	struct tl_change change;

	tl_change_init_system(&change, worker->store, worker->desk->clock, worker->desk->http,
			      write_note, &copy);
	if (note->is_login) {
		change.actor_kind = "user";
		change.actor = copy.login;
	}
	change.address = copy.address;
	return tl_change_run(&change, err);
}

static int office_keys(void *arg, const char *engineer_id, struct tl_strv *keys, struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_session_keys(worker->store, engineer_id, keys, err);
}

static int office_resolve(void *arg, const char *target, struct tl_session_target *ret_target,
			  struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_session_resolve(worker->store, target, ret_target, err);
}

static int office_claim(void *arg, const struct tl_session_claim *claim,
			char ret_session[static 27], struct tl_session_target *ret_target,
			struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_session_claim(worker->desk, worker->store, claim, ret_session, ret_target, err);
}

static int office_request(void *arg, const struct tl_session_ask *ask, char ret_session[static 27],
			  struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_session_request(worker->desk, worker->store, ask, ret_session, err);
}

static int office_opened(void *arg, const char *session, struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_session_opened(worker->desk, worker->store, session, err);
}

static int office_ended(void *arg, const char *session, const struct tl_session_end *end,
			struct tl_err *err)
{
	struct worker *worker = arg;

	return tl_session_ended(worker->desk, worker->store, session, end, err);
}

static void blob_name(const char *session, char name[static 40])
{
	snprintf(name, 40, "rec-%s", session);
}

static int office_record_open(void *arg, const char *session, int *ret_fd, struct tl_err *err)
{
	struct worker *worker = arg;
	char name[40];
	uint64_t size;
	int rc;

	blob_name(session, name);
	rc = tl_blob_create(worker->desk->blobs, name, err);
	if (rc == 0)
		rc = tl_blob_append(worker->desk->blobs, name, ret_fd, &size, err);
	return rc;
}

static int office_record_seal(void *arg, const char *session, struct tl_err *err)
{
	struct worker *worker = arg;
	char name[40];

	blob_name(session, name);
	return tl_blob_seal(worker->desk->blobs, name, err);
}

static void office_grew(void *arg, const char *session)
{
	tl_attend_grew(arg, session);
}

void tl_office_of_desk(struct tl_desk *desk, struct tl_office *ret_office)
{
	*ret_office = (struct tl_office){
		.open = office_open,
		.close = office_close,
		.engineer = office_engineer,
		.certified = office_certified,
		.factor = office_factor,
		.code = office_code,
		.note = office_note,
		.keys = office_keys,
		.resolve = office_resolve,
		.claim = office_claim,
		.request = office_request,
		.opened = office_opened,
		.ended = office_ended,
		.record_open = office_record_open,
		.record_seal = office_record_seal,
		.grew = office_grew,
		.broker = desk->broker,
		.terminals = desk->terminals,
		.authority = desk->authority,
		.clock = desk->clock,
		.arg = desk,
	};
}
