// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TestToken, TrueToken} from "./TestToken.sol";

/// USDT on Ethereum: its functions return nothing, and an allowance must be set to zero before it is set anew.
contract NoReturnToken is TestToken {
    string public constant name = "No Return";
    string public constant symbol = "NORET";

    function approve(address spender, uint256 value) external {
        require(value == 0 || allowance[msg.sender][spender] == 0, "NoReturnToken: approve(0) first");
        _approve(msg.sender, spender, value);
    }

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        _spend(from, msg.sender, value);
        _move(from, to, value);
    }
}

/// An old token that answers `false` where others revert. While `refusing` it always does.
contract FalseToken is TestToken {
    string public constant name = "Returns False";
    string public constant symbol = "FALSE";
    bool public refusing;

    function setRefusing(bool refusing_) external {
        refusing = refusing_;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        _approve(msg.sender, spender, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        if (refusing || allowance[from][msg.sender] < value || balanceOf[from] < value) return false;
        _spend(from, msg.sender, value);
        _move(from, to, value);
        return true;
    }
}

/// Keeps one percent of each transfer.
contract FeeOnTransferToken is TrueToken {
    string public constant name = "Fee on Transfer";
    string public constant symbol = "TAXED";

    function transferFrom(address from, address to, uint256 value) external override returns (bool) {
        _spend(from, msg.sender, value);
        _move(from, to, value - value / 100);
        _move(from, address(this), value / 100);
        return true;
    }
}

/// Calls `target` with `payload` in the middle of each transferFrom and remembers how that ended.
contract ReentrantToken is TrueToken {
    string public constant name = "Reentrant";
    string public constant symbol = "AGAIN";
    address public target;
    bytes public payload;
    bool public tried;
    bool public succeeded;
    bytes public answer;

    function arm(address target_, bytes calldata payload_) external {
        (target, payload, tried) = (target_, payload_, false);
    }

    function _beforePull(address, address, uint256) internal override {
        if (target == address(0)) return;
        tried = true;
        (succeeded, answer) = target.call(payload);
    }
}

/// Answers with `size` bytes, as a revert or as a return value; also from `allowance` reads when told so.
contract ReturnBombToken is TrueToken {
    string public constant name = "Return Bomb";
    string public constant symbol = "BOMB";
    uint256 public size;
    bool public reverting;

    function arm(uint256 size_, bool reverting_) external {
        (size, reverting) = (size_, reverting_);
    }

    function _beforePull(address, address, uint256) internal view override {
        uint256 length = size;
        bool fail = reverting;
        if (length == 0) return;
        assembly {
            if fail { revert(0, length) }
            return(0, length)
        }
    }
}

/// Burns all gas that it is given while armed.
contract GasGuzzlerToken is TrueToken {
    string public constant name = "Gas Guzzler";
    string public constant symbol = "BURN";
    bool public armed;

    function arm(bool armed_) external {
        armed = armed_;
    }

    function _beforePull(address, address, uint256) internal view override {
        if (armed) {
            assembly {
                invalid()
            }
        }
    }
}

/// Whatever the test wants: raw answers for each selector, as data and as success or revert. For fuzzing.
contract HostileToken {
    struct Answer {
        bool fail;
        bool burn;
        bytes data;
    }

    mapping(bytes4 selector => Answer) private _answers;

    function answer(bytes4 selector, bool fail, bool burn, bytes calldata data) external {
        _answers[selector] = Answer(fail, burn, data);
    }

    fallback() external {
        Answer storage set = _answers[msg.sig];
        bytes memory data = set.data;
        if (set.burn) {
            assembly {
                invalid()
            }
        }
        if (set.fail) {
            assembly {
                revert(add(data, 0x20), mload(data))
            }
        }
        assembly {
            return(add(data, 0x20), mload(data))
        }
    }
}

/// A proxy whose implementation anybody can replace: a token that changes under its holders.
contract TokenProxy {
    // keccak256("eip1967.proxy.implementation") - 1
    bytes32 private constant SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    constructor(address implementation) {
        upgradeTo(implementation);
    }

    function upgradeTo(address implementation) public {
        assembly {
            sstore(SLOT, implementation)
        }
    }

    fallback() external {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let ok := delegatecall(gas(), sload(SLOT), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if ok { return(0, returndatasize()) }
            revert(0, returndatasize())
        }
    }
}
