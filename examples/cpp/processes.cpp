// Four masternodes in four processes of their own, on disk, over sockets; a fifth node, which only
// follows, pays. One masternode is killed, the others go on, and it comes back.
//
// processes DIRECTORY [timings]: an empty directory, or one that is not there yet; whether to print
// how long things took, which differs from run to run.
//
//     c++ -std=c++17 processes.cpp -ltimecoin -o processes

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <iomanip>
#include <iostream>
#include <spawn.h>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <timecoin.hpp>

using timecoin::Address;
using timecoin::Config;
using timecoin::Milliseconds;
using timecoin::Node;
using timecoin::Secret;

namespace {

using Clock = std::chrono::steady_clock;

// Long enough for any machine that is busy with something else.
constexpr Milliseconds patience{60000};

constexpr int n_masternodes = 4;

void expect(bool holds, const char *what) {
    if (!holds) {
        throw std::runtime_error(what);
    }
}

// Anybody can make these: a real masternode's are secret.
Secret secret_of(int position) {
    return Secret::from_seed("masternode " + std::to_string(position));
}

Address address_of(const char *seed) {
    return Address::of(Secret::from_seed(seed).public_key());
}

// The configuration that all nodes of the chain begin with.
Config new_config() {
    std::vector<timecoin::PublicKey> masternodes;
    for (int position = 0; position < n_masternodes; position++) {
        masternodes.push_back(secret_of(position).public_key());
    }
    const std::vector<Address> wallets(16, address_of("regtest wallet"));
    return Config::from_genesis(Config::regtest_genesis(masternodes, wallets));
}

// One of the processes: says where it listens, dials whom it is told to, ends with its input.
void masternode(int position, const std::string &data_dir) {
    Config config = new_config();
    config.set("data_dir", data_dir).set("listen", "127.0.0.1:0").set("round_timeout_ms", "1000");
    config.set_masternode_key(secret_of(position));
    Node node(config);
    node.start();
    std::cout << node.node_key()->text() << "@" << *node.listen_address() << std::endl;
    for (std::string target; std::getline(std::cin, target);) {
        node.connect(target);
    }
    node.close(patience);
}

// A masternode's process, as the one that started it sees it. A process that has a node must not
// fork and go on; to spawn a new program from it is fine.
class Process {
  public:
    Process(char *program, const std::string &folder, int position) {
        std::string number = std::to_string(position);
        std::string data_dir = folder + "/masternode-" + number;
        std::string role = "masternode";
        std::array<int, 2> input = new_pipe(), output = new_pipe();
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
        char *const arguments[] = {program, role.data(), number.data(), data_dir.data(), nullptr};
        expect(posix_spawn(&pid_, program, &actions, nullptr, arguments, environ) == 0,
               "no process");
        posix_spawn_file_actions_destroy(&actions);
        close(input[0]);
        close(output[1]);
        input_ = Stream(fdopen(input[1], "w"), std::fclose);
        const Stream told(fdopen(output[0], "r"), std::fclose);
        std::array<char, 256> line{};
        expect(std::fgets(line.data(), line.size(), told.get()) != nullptr,
               "a masternode says nothing");
        target_ = line.data();
        target_.erase(target_.find('\n'));
    }

    const std::string &target() const { return target_; }
    void connect(const std::string &target) {
        std::fputs((target + "\n").c_str(), input_.get());
        expect(std::fflush(input_.get()) == 0, "a masternode does not listen");
    }
    // As kill -9 does.
    void kill() {
        ::kill(pid_, SIGKILL);
        wait();
    }
    void end() { expect(wait() == 0, "a masternode ends badly"); }

  private:
    using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE *)>;

    // A pipe that no other process inherits.
    static std::array<int, 2> new_pipe() {
        std::array<int, 2> ends{};
        expect(pipe(ends.data()) == 0, "no pipe");
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        return ends;
    }
    int wait() {
        int status = 0;
        input_.reset();
        expect(waitpid(pid_, &status, 0) == pid_, "no such process");
        return status;
    }

    pid_t pid_ = 0;
    Stream input_{nullptr, std::fclose};
    std::string target_;
};

// The process that starts the others and kills one.
class Story {
  public:
    Story(char *program, std::string folder, bool has_timings)
        : program_(program), folder_(std::move(folder)), has_timings_(has_timings) {}

    void tell() {
        std::string targets;
        for (int position = 0; position < n_masternodes; position++) {
            Process process(program_, folder_, position);
            for (const Process &other : masternodes_) {
                process.connect(other.target());
            }
            targets += (position == 0 ? "" : ",") + process.target();
            masternodes_.push_back(std::move(process));
        }
        Node node(new_config().set("peers", targets));
        node.start();
        wait_for("no four peers", [&] { return node.peers().size() == n_masternodes; });
        std::cout << "four masternodes in processes of their own, and a node that follows them\n";
        pay(node);

        masternodes_[2].kill();
        std::cout << "masternode 2 is killed\n";
        for (int i = 0; i < 3; i++) {
            pay(node);
        }
        bring_back(node);
        pay(node);
        const tc_balance_t balance = node.balance(address_of("bob"));
        std::cout << "bob has " << timecoin::Amount(balance.confirmed).text() << "\n";
        node.close(patience);
        for (Process &process : masternodes_) {
            process.end();
        }
        std::cout << "all have ended\n";
    }

  private:
    // The follower knows the payment to be final once it has the votes of a quorum.
    void pay(const Node &node) const {
        timecoin::Wallet alice = timecoin::Wallet::from_seed(node, "regtest wallet");
        const Clock::time_point began = Clock::now();
        const auto payment = alice.pay(address_of("bob"), timecoin::Amount::parse("5 TIME"));
        node.wait_finalized(payment.txid, patience);
        const std::string finalized = after(began);
        node.wait_confirmed(payment.txid, patience);
        std::cout << "alice pays bob 5 TIME: final" << finalized << (has_timings_ ? "," : ", and")
                  << " in a block" << after(began) << "\n";
    }

    // Starts masternode 2 again, and waits until it is at the height of the others.
    void bring_back(Node &node) {
        masternodes_[2] = Process(program_, folder_, 2);
        for (const int position : {0, 1, 3}) {
            masternodes_[2].connect(masternodes_[position].target());
        }
        node.connect(masternodes_[2].target());
        const timecoin::PublicKey key = secret_of(2).public_key();
        const Clock::time_point began = Clock::now();
        wait_for("masternode 2 does not come back", [&] {
            const std::vector<timecoin::Peer> peers = node.peers();
            const auto is_back = [&](const timecoin::Peer &peer) {
                return peer.key == key && peer.info.height >= node.tip().height;
            };
            return std::any_of(peers.begin(), peers.end(), is_back);
        });
        std::cout << "masternode 2 is back, and at the height of the others" << after(began) << "\n";
    }

    template <typename IsThere> static void wait_for(const char *missing, IsThere is_there) {
        for (const Clock::time_point began = Clock::now(); !is_there();) {
            expect(Clock::now() - began < patience, missing);
            std::this_thread::sleep_for(Milliseconds(1));
        }
    }
    std::string after(Clock::time_point began) const {
        const std::chrono::duration<double, std::milli> took = Clock::now() - began;
        std::ostringstream text;
        text << " after " << std::fixed << std::setprecision(1) << took.count() << " ms";
        return has_timings_ ? text.str() : "";
    }

    char *program_;
    std::string folder_;
    bool has_timings_;
    std::vector<Process> masternodes_;
};

} // namespace

int main(int n_arguments, char **arguments) {
    const std::vector<std::string> words(arguments + 1, arguments + n_arguments);
    std::signal(SIGPIPE, SIG_IGN);
    try {
        if (words.size() == 3 && words[0] == "masternode") {
            masternode(std::stoi(words[1]), words[2]);
        } else if (words.size() == 1 || (words.size() == 2 && words[1] == "timings")) {
            Story(arguments[0], words[0], words.size() == 2).tell();
        } else {
            throw std::runtime_error("usage: processes DIRECTORY [timings]");
        }
    } catch (const std::exception &error) {
        std::cerr << error.what() << "\n";
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
