// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// The ERC-20 that the test tokens vary: six decimals, anybody may mint, nothing in a constructor (so that it also works
/// behind a proxy). FOR TESTS AND SANDBOXES ONLY.
abstract contract TestToken {
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    function decimals() external pure virtual returns (uint8) {
        return 6;
    }

    function mint(address to, uint256 value) external {
        totalSupply += value;
        balanceOf[to] += value;
        emit Transfer(address(0), to, value);
    }

    function _approve(address owner, address spender, uint256 value) internal {
        allowance[owner][spender] = value;
        emit Approval(owner, spender, value);
    }

    /// Takes from the allowance, even from the greatest one, as Circle's USDC does.
    function _spend(address owner, address spender, uint256 value) internal {
        uint256 allowed = allowance[owner][spender];
        require(allowed >= value, "ERC20: transfer amount exceeds allowance");
        unchecked {
            allowance[owner][spender] = allowed - value;
        }
    }

    function _move(address from, address to, uint256 value) internal {
        require(to != address(0), "ERC20: transfer to the zero address");
        uint256 balance = balanceOf[from];
        require(balance >= value, "ERC20: transfer amount exceeds balance");
        unchecked {
            balanceOf[from] = balance - value;
            balanceOf[to] += value;
        }
        emit Transfer(from, to, value);
    }
}

/// The same with functions that return `true`, and one hook.
abstract contract TrueToken is TestToken {
    function approve(address spender, uint256 value) external virtual returns (bool) {
        _approve(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external virtual returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external virtual returns (bool) {
        _beforePull(from, to, value);
        _spend(from, msg.sender, value);
        _move(from, to, value);
        return true;
    }

    function _beforePull(address from, address to, uint256 value) internal virtual {}
}
