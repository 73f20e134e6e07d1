"""Ansible through both lanes at once: fifty tasks, with and without pipelining."""

import clients
import pytest

PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - raw: echo {{ item }}; exit 0
      loop: "{{ range(41) | list }}"
      register: spoken
    - assert: {that: "spoken.results | map(attribute='stdout_lines') | map('first') | map('int') | sum == 820"}
    - command: echo {{ item }}
      loop: "{{ range(3) | list }}"
    - copy: {content: "{{ inventory_hostname }} {{ item }}", dest: "{{ there }}/{{ inventory_hostname }}-{{ item }}"}
      loop: "{{ range(3) | list }}"
    - shell: cat; exit 0
      args: {stdin: "hello"}
      register: echoed
    - assert: {that: "echoed.stdout == 'hello'"}
    - fetch: {src: "{{ there }}/{{ inventory_hostname }}-1", dest: "{{ here }}/{{ inventory_hostname }}", flat: true}
"""


@pytest.fixture(scope="module")
def desk():
    with clients.open_desk() as desk:
        yield desk


@pytest.mark.parametrize("pipelining", ["True", "False"])
def test_fifty_tasks(desk, pipelining):
    rows = []
    for lane in clients.LANES:
        options, host = desk.options(lane)
        rows.append(f"{lane} ansible_host={host} ansible_ssh_common_args='{' '.join(options)}' "
                    "ansible_python_interpreter=/usr/bin/python3\n")
    (desk.local / "inventory").write_text("".join(rows))
    (desk.local / "play.yaml").write_text(PLAY)
    done = desk.run("ansible-playbook", "-i", desk.local / "inventory", "-e", f"there={desk.remote} here={desk.local}",
                    desk.local / "play.yaml", timeout=240,
                    env={"ANSIBLE_PIPELINING": pipelining, "ANSIBLE_HOST_KEY_CHECKING": "True", "LC_ALL": "C.UTF-8",
                         "ANSIBLE_SSH_CONTROL_PATH_DIR": str(desk.place / "cp"), "ANSIBLE_NOCOLOR": "1"})
    text = done.stdout.decode()
    assert done.returncode == 0, text[-3000:] + done.stderr.decode()
    for lane in clients.LANES:
        assert (desk.local / lane).read_text() == f"{lane} 1"
